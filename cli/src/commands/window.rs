//! `saker window`: times in which people do not hear of what is being worked on.

use router::{
    api::types::{By, NewWindow, WindowView},
    pipeline::{Matcher, Window, WindowEffect},
};
use rules::Condition;

use super::silence::segment;
use crate::{
    args::{AddWindowArgs, ApiArgs, Format, WindowCommand},
    client::Client,
    exit::{Code, fail},
    print,
};

pub(crate) async fn execute(command: WindowCommand) -> anyhow::Result<Code> {
    match command {
        WindowCommand::Add(arguments) => {
            let AddWindowArgs { name, author, api, .. } = &*arguments;
            let body = NewWindow { window: window(&arguments)?, by: author.clone() };
            let added: WindowView = Client::new(api)?.put(&path(name), &body).await?;
            show(api, &added)?;
        }
        WindowCommand::List(api) => list(&api).await?,
        WindowCommand::Remove { name, author, api } => {
            let removed: WindowView =
                Client::new(&api)?.delete(&path(&name), &By { by: author }).await?;
            show(&api, &removed)?;
        }
    }
    Ok(Code::Success)
}

fn path(name: &str) -> String {
    format!("/api/v1/windows/{}", segment(name))
}

fn window(arguments: &AddWindowArgs) -> anyhow::Result<Window> {
    let AddWindowArgs { what, .. } = arguments;
    let condition = what.condition.as_deref().map(Condition::parse).transpose();
    let condition = condition.map_err(|error| fail(Code::Invalid, error.to_string()))?;
    let matchers = what.matcher.iter().map(|text| Matcher::parse_all(text));
    let matchers: Result<Vec<_>, _> = matchers.collect();
    let matchers = matchers.map_err(|error| fail(Code::Invalid, error))?;
    let effect = if arguments.mark { WindowEffect::Mark } else { WindowEffect::Suppress };
    Ok(Window {
        name: arguments.name.clone(),
        condition,
        matchers: matchers.concat(),
        starts: arguments.starts,
        location: arguments.location.clone(),
        duration: arguments.duration,
        repeat: arguments.repeat.clone(),
        except: arguments.except.clone(),
        effect,
        comment: arguments.comment.clone(),
    })
}

fn show(api: &ApiArgs, view: &WindowView) -> anyhow::Result<()> {
    match api.format {
        Format::Json => print::json(view),
        Format::Text => {
            print::line(format_args!("{}: {}", print::plain(&view.window.name), standing(view)));
            Ok(())
        }
    }
}

/// Says where a window stands.
fn standing(view: &WindowView) -> String {
    match (view.open, view.changes) {
        (true, Some(until)) => format!("open until {until:.0}"),
        (true, None) => "open".to_owned(),
        (false, Some(from)) => format!("opens {from:.0}"),
        (false, None) => "will not open again".to_owned(),
    }
}

async fn list(api: &ApiArgs) -> anyhow::Result<()> {
    let windows: Vec<WindowView> = Client::new(api)?.list("/api/v1/windows").await?;
    if api.format == Format::Json {
        return windows.iter().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = windows
        .iter()
        .map(|view| {
            let window = &view.window;
            let effect = match window.effect {
                WindowEffect::Suppress => "suppresses",
                WindowEffect::Mark => "marks",
            };
            vec![
                print::plain(&window.name),
                standing(view),
                effect.to_owned(),
                view.hits.to_string(),
                print::plain(window.repeat.as_ref().map_or("once", |rule| rule.text())),
                print::plain(&window.what()),
            ]
        })
        .collect();
    print::line(print::table(&["name", "stands", "effect", "alerts", "repeats", "match"], &rows));
    Ok(())
}
