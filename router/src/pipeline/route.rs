//! Which routes take an alert.
//!
//! Depth first, as in Alertmanager: an alert goes to the first child that takes it, and to the ones
//! after it while they say `continue`; a route none of whose children takes it keeps it.

use std::{sync::Arc, time::Duration};

use rules::{Condition, Subject};
use service::config::HumanDuration;

use super::{
    PipelineConfig,
    config::Route,
    destination::Destinations,
    facts::Key,
    interval::{Hours, Intervals},
    storm::StormConfig,
};

/// Routes within routes; deeper ones are a configuration problem and ignored.
pub(super) const DEPTH_MAX: usize = 16;

/// How long a finding stays open that no route took.
pub(super) const QUIET: Duration = Duration::from_secs(3600);

/// What a route's groups live by, with everything inherited filled in.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The route's path.
    pub(super) route: Arc<str>,
    /// Numbers of the outputs, and their names.
    pub(super) outputs: Arc<[u16]>,
    pub(super) output_names: Arc<[Arc<str>]>,
    pub(super) group_by: Arc<[Key]>,
    pub(super) group_wait: Duration,
    pub(super) group_interval: Duration,
    pub(super) repeat_interval: Duration,
    pub(super) quiet: Duration,
    pub(super) notify_close: bool,
    /// When it tells; not inherited.
    pub(super) hours: Hours,
    /// What its summaries live by while a source floods; absent when it tells one by one all the same.
    pub(super) storm: Option<Arc<Settings>>,
    /// They are those of summaries.
    pub(super) is_storm: bool,
}

impl Settings {
    /// What a route at the top inherits.
    fn top(destinations: &Destinations) -> Self {
        let (outputs, output_names) = destinations.resolve(None);
        Self {
            route: "default".into(),
            outputs,
            output_names,
            group_by: [Key::Rule, Key::Field("k8s.ns.name".into())].into(),
            group_wait: Duration::from_secs(2),
            group_interval: Duration::from_secs(60),
            repeat_interval: Duration::from_secs(4 * 3600),
            quiet: QUIET,
            notify_close: false,
            hours: Hours::default(),
            storm: None,
            is_storm: false,
        }
    }

    fn inherit(&self, route: &Route, path: Arc<str>, compiler: &Compiler<'_>) -> Self {
        let destinations = compiler.destinations;
        let duration = |own: Option<HumanDuration>, inherited| own.map_or(inherited, |own| own.0);
        let (outputs, output_names) = match &route.outputs {
            Some(names) => destinations.resolve(Some(names)),
            None => (self.outputs.clone(), self.output_names.clone()),
        };
        let mut settings = Self {
            route: path,
            outputs,
            output_names,
            group_by: route.group_by.as_ref().map_or_else(
                || self.group_by.clone(),
                |names| names.iter().map(|name| Key::parse(name)).collect(),
            ),
            group_wait: duration(route.group_wait, self.group_wait),
            group_interval: duration(route.group_interval, self.group_interval),
            repeat_interval: duration(route.repeat_interval, self.repeat_interval),
            quiet: duration(route.quiet, self.quiet),
            notify_close: route.notify_close.unwrap_or(self.notify_close),
            hours: Hours::new(&route.mute, &route.active, compiler.intervals),
            storm: None,
            is_storm: false,
        };
        let is_summed_up = route.storm.unwrap_or(self.storm.is_some());
        settings.storm =
            compiler.storm.filter(|_| is_summed_up).map(|storm| storm.summaries(&settings));
        settings
    }
}

/// Stands in while a group is being restored.
impl Default for Settings {
    fn default() -> Self {
        Self::top(&Destinations::default())
    }
}

#[derive(Debug)]
struct Node {
    condition: Option<Condition>,
    goes_on: bool,
    settings: Arc<Settings>,
    children: Vec<Node>,
}

/// The compiled route tree.
#[derive(Debug, Default)]
pub(super) struct Routes {
    top: Vec<Node>,
}

impl Routes {
    /// Compiles the routes. Without any, one takes every alert to every output.
    pub(super) fn new(config: &PipelineConfig, destinations: &Destinations) -> Self {
        let PipelineConfig { own_routes, routes, intervals, storm, .. } = config;
        let mut top = Settings::top(destinations);
        top.storm = storm.as_ref().map(|storm| storm.summaries(&top));
        let compiler = Compiler { destinations, intervals, storm: storm.as_ref() };
        let mut nodes = compiler.compile(own_routes, &top, None, 1);
        if routes.is_empty() {
            let settings = Arc::new(top);
            nodes.push(Node { condition: None, goes_on: false, settings, children: Vec::new() });
        } else {
            nodes.extend(compiler.compile(routes, &top, None, 1));
        }
        Self { top: nodes }
    }

    /// Appends the settings of every route that takes the alert, in order.
    pub(super) fn take(&self, subject: &Subject<'_>, taken: &mut Vec<Arc<Settings>>) {
        take(&self.top, subject, taken);
    }

    /// Returns the settings of the route with this path, or those of its summaries.
    pub(super) fn find(&self, path: &str, is_storm: bool) -> Option<Arc<Settings>> {
        let settings = find(&self.top, path)?;
        if is_storm { settings.storm.clone() } else { Some(settings) }
    }
}

/// Returns a route's own name, or its place among its siblings.
pub(super) fn name(route: &Route, index: usize) -> String {
    route.name.clone().unwrap_or_else(|| format!("route-{}", index + 1))
}

struct Compiler<'a> {
    destinations: &'a Destinations,
    intervals: &'a Intervals,
    storm: Option<&'a StormConfig>,
}

impl Compiler<'_> {
    fn compile(
        &self,
        routes: &[Route],
        inherited: &Settings,
        parent: Option<&str>,
        depth: usize,
    ) -> Vec<Node> {
        let compile_one = |(index, route): (usize, &Route)| {
            let name = name(route, index);
            let path = parent.map_or_else(|| name.clone(), |parent| format!("{parent}/{name}"));
            let settings = inherited.inherit(route, path.as_str().into(), self);
            let children = if depth < DEPTH_MAX {
                self.compile(&route.routes, &settings, Some(&path), depth + 1)
            } else {
                Vec::new()
            };
            let condition = route.condition.clone();
            Node { condition, goes_on: route.goes_on, settings: Arc::new(settings), children }
        };
        routes.iter().enumerate().map(compile_one).collect()
    }
}

fn take(nodes: &[Node], subject: &Subject<'_>, taken: &mut Vec<Arc<Settings>>) {
    for node in nodes {
        if node.condition.as_ref().is_some_and(|condition| !condition.matches(subject)) {
            continue;
        }
        let before = taken.len();
        take(&node.children, subject, taken);
        if taken.len() == before {
            taken.push(node.settings.clone());
        }
        if !node.goes_on {
            return;
        }
    }
}

fn find(nodes: &[Node], path: &str) -> Option<Arc<Settings>> {
    nodes.iter().find_map(|node| {
        if *node.settings.route == *path {
            return Some(node.settings.clone());
        }
        find(&node.children, path)
    })
}
