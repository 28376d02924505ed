//! Calls over a Unix socket that speaks gRPC.

use std::{path::Path, time::Duration};

use alert::Missing;
use http::uri::PathAndQuery;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// A verbose status holds the whole specification of a container.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A connection; it makes a new one by itself when the server was restarted.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    channel: Channel,
}

impl Wire {
    pub(super) fn to(socket: &Path) -> Result<Self, Missing> {
        let address = format!("unix://{}", socket.display());
        let endpoint = Endpoint::from_shared(address).map_err(|_| Missing::NoSocket)?;
        let endpoint = endpoint.connect_timeout(CALL_TIMEOUT).timeout(CALL_TIMEOUT);
        Ok(Self { channel: endpoint.connect_lazy() })
    }

    pub(super) async fn ask<Q, A>(&self, method: &'static str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.call(method, Request::new(question)).await
    }

    pub(super) async fn call<Q, A>(
        &self,
        method: &'static str,
        request: Request<Q>,
    ) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        let answer = grpc.unary(request, PathAndQuery::from_static(method), codec).await?;
        Ok(answer.into_inner())
    }
}

/// Returns `None` for what the runtime does not know. Some say so by code, some in words alone.
pub(super) fn found<T>(answer: Result<T, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status)
            if status.code() == Code::Unknown
                && (status.message().contains("not found")
                    || status.message().contains("No such container")) =>
        {
            Ok(None)
        }
        Err(status) => Err(status),
    }
}

/// Returns the reason code for a call that failed.
pub(super) fn reason(status: &Status) -> Missing {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => Missing::SocketDenied,
        Code::DeadlineExceeded | Code::Cancelled => Missing::Timeout,
        _ => Missing::RuntimeError,
    }
}
