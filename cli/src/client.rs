//! Speaks to a router's API.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, Response, StatusCode};
use router::api::types::List;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    args::ApiArgs,
    exit::{Code, fail},
    print,
};

/// A router's API, with the right to use it.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(arguments: &ApiArgs) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        let token = arguments.token.as_deref().map(read_token).transpose()?;
        Ok(Self { http, base: arguments.api.trim_end_matches('/').to_owned(), token })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.answer(self.send(Method::GET, path, None::<&()>, Some(TIMEOUT)).await?).await
    }

    /// Returns a whole list, part by part.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let mut items = Vec::new();
        let mut parameters = vec![("limit", "1000".to_owned())];
        loop {
            let mut part: List<T> = self.query(path, &parameters).await?;
            items.append(&mut part.items);
            let Some(next) = part.next else { return Ok(items) };
            parameters.truncate(1);
            parameters.push(("cursor", next));
        }
    }

    /// As [`Self::get`], with parameters.
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let request = self.http.get(format!("{}{path}", self.base)).query(query).timeout(TIMEOUT);
        self.answer(self.check(self.authorised(request).send().await).await?).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.send(Method::POST, path, Some(body), Some(TIMEOUT)).await?).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.send(Method::PUT, path, Some(body), Some(TIMEOUT)).await?).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.send(Method::DELETE, path, Some(body), Some(TIMEOUT)).await?).await
    }

    /// Opens a stream; it has no time limit.
    pub(crate) async fn stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<Response> {
        let request = self.http.get(format!("{}{path}", self.base)).query(query);
        self.check(self.authorised(request).send().await).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Option<Duration>,
    ) -> anyhow::Result<Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.check(self.authorised(request).send().await).await
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn check(&self, result: reqwest::Result<Response>) -> anyhow::Result<Response> {
        let response = result.map_err(|error| {
            let (base, cause) = (&self.base, print::root(&error));
            let hint = "`saker run` or `saker router` starts one, --api names another place";
            let message = format!("cannot reach the router's API at {base}: {cause}; {hint}");
            fail(Code::Unreachable, message)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = match response.status() {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::Invalid,
            _ => Code::Failure,
        };
        let status = response.status();
        let problem: serde_json::Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().or(problem["title"].as_str());
        Err(fail(
            code,
            detail.map_or_else(|| format!("the router answered {status}"), str::to_owned),
        ))
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response) -> anyhow::Result<T> {
        response
            .json()
            .await
            .context("the router's answer is not what this version of saker expects")
    }
}

const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a token given on the command line, or the content of the file that `@FILE` names.
pub(crate) fn read_token(text: &str) -> anyhow::Result<String> {
    match text.strip_prefix('@') {
        Some(file) => Ok(std::fs::read_to_string(file)
            .with_context(|| format!("failed to read the token from {file}"))?
            .trim()
            .to_owned()),
        None => Ok(text.to_owned()),
    }
}
