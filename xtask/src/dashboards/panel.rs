//! A dashboard as data, and the JSON Grafana 10 and later read.

use serde_json::{Value, json};

/// The schema of Grafana 10.
const SCHEMA_VERSION: u32 = 39;
/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;
/// Where `${runbooks}` leads at first: Grafana's own static files, as the compose file mounts them.
const RUNBOOKS: &str = "/public/runbooks";

/// One file under `dashboards/`.
pub(super) struct Dashboard {
    pub(super) file: &'static str,
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) filters: Vec<Filter>,
    pub(super) rows: Vec<Row>,
}

/// A list at the top of a dashboard: the values of one label.
pub(super) struct Filter {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) metric: &'static str,
}

pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// How a panel shows its values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Number,
    Lines,
    Stack,
    Bars,
    States,
    Table,
}

/// What the values are; Grafana's name for it.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Count,
    PerSecond,
    BytesPerSecond,
    Bytes,
    Seconds,
    Share,
    Cores,
    YesNo,
    Breaker,
}

/// Whether a value is good news, and from where on it is not.
#[derive(Clone, Copy)]
enum Limits {
    None,
    /// Yellow and red from these values on.
    Above(f64, f64),
    /// Red below this value.
    Below(f64),
}

pub(super) struct Panel {
    title: &'static str,
    about: &'static str,
    show: Show,
    unit: Unit,
    queries: Vec<Query>,
    width: u32,
    height: u32,
    limits: Limits,
    runbook: Option<&'static str>,
    colours: &'static [(&'static str, &'static str)],
    columns: Vec<Column>,
}

/// An expression and what its series are called: Prometheus's labels in `{{ }}`.
pub(super) struct Query {
    expression: String,
    name: &'static str,
}

/// A column of a table: the label or `Value #A`, its heading and unit.
#[derive(Clone, Copy)]
pub(super) struct Column(pub(super) &'static str, pub(super) &'static str, pub(super) Unit);

pub(super) fn query(name: &'static str, expression: impl Into<String>) -> Query {
    Query { expression: expression.into(), name }
}

/// Counts events of `series` over `range`, by `labels`, with those that made a series begin:
/// `increase` alone takes a series' first value for its start and misses the rarest alerts.
pub(super) fn counted(labels: &str, series: &str, range: &str) -> String {
    format!(
        "sum by ({labels}) ((increase({series}[{range}]) and {series} offset {range}) \
         or (last_over_time({series}[{range}]) unless {series} offset {range}))"
    )
}

impl Panel {
    fn new(show: Show, title: &'static str, about: &'static str, unit: Unit) -> Self {
        let (width, height) = match show {
            Show::Number => (4, 4),
            Show::Table => (24, 10),
            _ => (8, 8),
        };
        Self {
            title,
            about,
            show,
            unit,
            queries: Vec::new(),
            width,
            height,
            limits: Limits::None,
            runbook: None,
            colours: &[],
            columns: Vec::new(),
        }
    }

    pub(super) fn number(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self::new(Show::Number, title, about, unit)
    }

    pub(super) fn lines(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self::new(Show::Lines, title, about, unit)
    }

    /// Bars over time, one on the other.
    pub(super) fn stack(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self::new(Show::Stack, title, about, unit)
    }

    /// One bar for each series, the longest first as the query sorts them.
    pub(super) fn bars(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self::new(Show::Bars, title, about, unit)
    }

    /// One band for each series, coloured by its state.
    pub(super) fn states(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self::new(Show::States, title, about, unit)
    }

    /// One line for each value of the first column, a column for each query.
    pub(super) fn table(
        title: &'static str,
        about: &'static str,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        let columns = columns.into_iter().collect();
        Self { columns, ..Self::new(Show::Table, title, about, Unit::Count) }
    }

    pub(super) fn of(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    pub(super) fn width(self, width: u32) -> Self {
        Self { width, ..self }
    }

    pub(super) fn above(self, yellow: f64, red: f64) -> Self {
        Self { limits: Limits::Above(yellow, red), ..self }
    }

    pub(super) fn below(self, red: f64) -> Self {
        Self { limits: Limits::Below(red), ..self }
    }

    /// Links to `docs/runbooks/NAME.md`.
    pub(super) fn runbook(self, name: &'static str) -> Self {
        Self { runbook: Some(name), ..self }
    }

    /// Gives series of these names their colour.
    pub(super) fn colours(self, colours: &'static [(&'static str, &'static str)]) -> Self {
        Self { colours, ..self }
    }

    fn json(&self, id: u32, x: u32, y: u32) -> Value {
        let kind = match self.show {
            Show::Number => "stat",
            Show::Lines | Show::Stack => "timeseries",
            Show::Bars => "bargauge",
            Show::States => "state-timeline",
            Show::Table => "table",
        };
        let mut json = json!({
            "id": id,
            "type": kind,
            "title": self.title,
            "description": self.about,
            "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height },
            "datasource": datasource(),
            "targets": self.targets(),
            "fieldConfig": { "defaults": self.defaults(), "overrides": self.overrides() },
            "options": self.options(),
        });
        if matches!(self.show, Show::Stack) {
            // A bar stands for a minute at least, so that it holds several scrapes.
            json["interval"] = json!("1m");
        }
        if matches!(self.show, Show::Table) {
            json["transformations"] = self.transformations();
        }
        if let Some(runbook) = self.runbook {
            let url = format!("${{runbooks}}/{runbook}.md");
            json["links"] = json!([{
                "type": "link", "title": format!("Runbook: {runbook}"), "url": url, "icon": "doc",
                "tooltip": "", "tags": [], "asDropdown": false, "targetBlank": true,
                "includeVars": false, "keepTime": false,
            }]);
        }
        json
    }

    fn targets(&self) -> Vec<Value> {
        let at_once = matches!(self.show, Show::Number | Show::Bars | Show::Table);
        let letters = 'A'..='Z';
        let target = |(letter, query): (char, &Query)| {
            let mut target = json!({
                "refId": letter.to_string(),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": query.expression,
                "legendFormat": query.name,
                "instant": at_once,
                "range": !at_once,
            });
            if self.show == Show::Table {
                target["format"] = json!("table");
            }
            target
        };
        letters.zip(&self.queries).map(target).collect()
    }

    fn defaults(&self) -> Value {
        let mut defaults = json!({
            "unit": self.unit.grafana(),
            "mappings": self.unit.mappings(),
            "thresholds": { "mode": "absolute", "steps": self.limits.steps() },
            "color": { "mode": self.colour_mode() },
        });
        if let Some(decimals) = self.unit.decimals() {
            defaults["decimals"] = json!(decimals);
        }
        match self.show {
            Show::Lines => {
                let limit = if matches!(self.limits, Limits::None) { "off" } else { "dashed" };
                defaults["min"] = json!(0);
                defaults["custom"] = json!({
                    "drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never",
                    "spanNulls": false, "stacking": { "mode": "none" },
                    "thresholdsStyle": { "mode": limit },
                });
            }
            Show::Stack => {
                defaults["min"] = json!(0);
                defaults["custom"] = json!({
                    "drawStyle": "bars", "lineWidth": 0, "fillOpacity": 80, "showPoints": "never",
                    "stacking": { "mode": "normal", "group": "A" },
                });
            }
            Show::Bars => defaults["min"] = json!(0),
            Show::States => defaults["custom"] = json!({ "lineWidth": 0, "fillOpacity": 70 }),
            Show::Number => defaults["noValue"] = json!("–"),
            Show::Table => {
                defaults["custom"] = json!({
                    "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false,
                });
            }
        }
        defaults
    }

    fn colour_mode(&self) -> &'static str {
        match self.show {
            Show::Number | Show::States => "thresholds",
            Show::Lines | Show::Stack => "palette-classic",
            Show::Bars | Show::Table => "thresholds",
        }
    }

    fn overrides(&self) -> Vec<Value> {
        let colours = self.colours.iter().map(|(name, colour)| {
            json!({
                "matcher": { "id": "byName", "options": name },
                "properties": [
                    { "id": "color", "value": { "mode": "fixed", "fixedColor": colour } },
                ],
            })
        });
        let columns = self.columns.iter().map(|Column(_, heading, unit)| {
            json!({
                "matcher": { "id": "byName", "options": heading },
                "properties": [
                    { "id": "unit", "value": unit.grafana() },
                    { "id": "decimals", "value": unit.decimals() },
                    { "id": "mappings", "value": unit.mappings() },
                ],
            })
        });
        colours.chain(columns).collect()
    }

    fn options(&self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        match self.show {
            Show::Number => json!({
                "colorMode": if matches!(self.limits, Limits::None) { "none" } else { "background" },
                "graphMode": "none", "justifyMode": "center", "orientation": "auto",
                "textMode": if self.queries.len() > 1 { "value_and_name" } else { "auto" },
                "reduceOptions": last, "wideLayout": true, "showPercentChange": false,
                "percentChangeColorMode": "standard",
            }),
            Show::Lines | Show::Stack => json!({
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [],
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Show::Bars => json!({
                "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true,
                "valueMode": "color", "namePlacement": "auto", "reduceOptions": last, "sizing": "auto",
                "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": [],
                },
            }),
            Show::States => json!({
                "mergeValues": true, "showValue": "never", "alignValue": "left", "rowHeight": 0.8,
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [],
                },
                "tooltip": { "mode": "single", "sort": "none" },
            }),
            Show::Table => json!({
                "showHeader": true, "cellHeight": "sm", "frameIndex": 0,
                "footer": { "show": false, "reducer": ["sum"], "countRows": false, "fields": "" },
            }),
        }
    }

    /// Joins the queries by the first column, and keeps, orders and names the columns.
    fn transformations(&self) -> Value {
        let Some(Column(key, ..)) = self.columns.first() else { return json!([]) };
        let shown: Vec<_> = self.columns.iter().map(|Column(field, ..)| *field).collect();
        let order = shown.iter().enumerate().map(|(index, field)| (*field, json!(index)));
        let names = self.columns.iter().map(|Column(field, name, _)| (*field, json!(name)));
        json!([
            { "id": "joinByField", "options": { "byField": key, "mode": "outer" } },
            { "id": "filterFieldsByName", "options": { "include": { "names": shown } } },
            { "id": "organize", "options": {
                "indexByName": order.map(owned).collect::<serde_json::Map<_, _>>(),
                "renameByName": names.map(owned).collect::<serde_json::Map<_, _>>(),
            } },
        ])
    }
}

fn owned((field, value): (&str, Value)) -> (String, Value) {
    (field.to_owned(), value)
}

impl Unit {
    const fn grafana(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::BytesPerSecond => "Bps",
            Self::Bytes => "bytes",
            Self::Seconds => "s",
            Self::Share | Self::Cores => "percentunit",
            Self::YesNo | Self::Breaker => "none",
        }
    }

    const fn decimals(self) -> Option<u32> {
        match self {
            Self::Count | Self::YesNo | Self::Breaker => Some(0),
            Self::Share | Self::Cores => Some(1),
            _ => None,
        }
    }

    fn mappings(self) -> Value {
        let states: &[(&str, &str, &str)] = match self {
            Self::YesNo => &[("0", "no", "red"), ("1", "yes", "green")],
            Self::Breaker => {
                &[("0", "closed", "green"), ("1", "trying", "yellow"), ("2", "open", "red")]
            }
            _ => return json!([]),
        };
        let options = states.iter().enumerate().map(|(index, (value, text, colour))| {
            ((*value).to_owned(), json!({ "text": text, "color": colour, "index": index }))
        });
        json!([{ "type": "value", "options": options.collect::<serde_json::Map<_, _>>() }])
    }
}

impl Limits {
    fn steps(self) -> Value {
        match self {
            Self::None => json!([{ "color": "blue", "value": null }]),
            Self::Above(yellow, red) => json!([
                { "color": "green", "value": null },
                { "color": "yellow", "value": yellow },
                { "color": "red", "value": red },
            ]),
            Self::Below(red) => {
                json!([{ "color": "red", "value": null }, { "color": "green", "value": red }])
            }
        }
    }
}

impl Filter {
    fn json(&self) -> Value {
        let query = format!("label_values({}, {})", self.metric, self.name);
        json!({
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": datasource(),
            "definition": query,
            "query": { "query": query, "refId": "Filter" },
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": { "text": ["All"], "value": ["$__all"] },
        })
    }
}

impl Dashboard {
    pub(super) fn json(&self) -> Value {
        let mut variables = vec![
            json!({
                "name": "datasource", "label": "Prometheus", "type": "datasource",
                "query": "prometheus", "refresh": 1,
                "current": { "text": "default", "value": "default" },
            }),
            json!({
                "name": "runbooks", "label": "Runbooks at", "type": "textbox", "hide": 2,
                "query": RUNBOOKS, "current": { "text": RUNBOOKS, "value": RUNBOOKS },
            }),
        ];
        variables.extend(self.filters.iter().map(Filter::json));
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["saker"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-6h", "to": "now" },
            "timezone": "browser",
            "templating": { "list": variables },
            "annotations": { "list": [] },
            "links": [{
                "type": "dashboards", "tags": ["saker"], "title": "Saker", "asDropdown": false,
                "icon": "external link", "tooltip": "",
                "includeVars": false, "keepTime": true, "targetBlank": false,
            }],
            "panels": self.panels(),
        })
    }

    /// Places the panels of each row from left to right, in as many lines as they need.
    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut y) = (Vec::new(), 0);
        let mut ids = 1..;
        let mut next_id = || ids.next().unwrap_or_default();
        for row in &self.rows {
            panels.push(json!({
                "id": next_id(), "type": "row", "title": row.title, "collapsed": false,
                "gridPos": { "x": 0, "y": y, "w": COLUMNS, "h": 1 }, "panels": [],
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > COLUMNS {
                    (x, y, height) = (0, y + height, 0);
                }
                panels.push(panel.json(next_id(), x, y));
                x += panel.width;
                height = height.max(panel.height);
            }
            y += height;
        }
        panels
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}
