//! What can be typed after `saker rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service::config::HumanDuration;

use super::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Compile rule files and show what is wrong with them.
    #[command(after_help = "Examples:\n  saker rules check my-rules.yaml\n  \
        saker rules check --builtin /etc/saker/rules.d --strict\n\n\
        Files are loaded together, in the order given, a folder's by name. Exit code: 0 they load, \
        1 they load but --strict does not accept their warnings, 2 they do not load.")]
    Check(CheckArgs),
    /// Read one condition from standard input; only its syntax is judged.
    #[command(after_help = "Examples:\n  echo 'proc.name in (sh, bash)' | saker rules parse\n  \
        saker rules parse --format text < condition.txt\n\n\
        Fields and macros may be unknown. Prints the tree, or with --format text the condition as it was \
        understood; or the fault with its line and column. Exit code: 0 it is a condition, 1 it is none.")]
    Parse(ParseArgs),
    /// Look for what loads and is hardly meant: conditions that never hold, exceptions anybody can forge…
    #[command(after_help = "Examples:\n  saker rules lint my-rules.yaml\n  \
        saker rules lint --pedantic --ignore rule-without-test rules/\n  \
        saker rules lint --list\n\n\
        Exit code: 0 nothing was found, 1 something was, 2 the rules do not load. Each lint has a page, \
        docs/rules/lint/NAME.md; a comment `# saker: allow NAME` above a rule silences it there.")]
    Lint(LintArgs),
    /// Run the tests beside rules.
    #[command(after_help = "Examples:\n  saker rules test my-rules.yaml my-tests.yaml\n  \
        saker rules test --rule 'Terminal shell in a container' rules/\n\n\
        A failure shows what was expected, and which check of the condition decided. \
        docs/rules/testing.md tells how to write tests.")]
    Test(TestArgs),
    /// List rules.
    #[command(after_help = "Examples:\n  saker rules list --tag T1059 --priority warning\n  \
        saker rules list --name '*shell*' my-rules.yaml")]
    List(ListArgs),
    /// Show what each rule of a running agent costs, the dearest first.
    #[command(
        after_help = "Examples:\n  saker rules top\n  saker rules top --once --format json --agent http://node-1:2803\n\n\
        Counts are of what happened between two looks, with --once of all since the rules were loaded. \
        A rule is evaluated for the events that nothing cheaper ruled it out for; the time is that of \
        a sample, scaled up, and what rules share is counted with the first that asks."
    )]
    Top(TopArgs),
    /// Tell what rules written for Falco would do here; nothing is converted or changed.
    #[command(
        after_help = "Examples:\n  saker rules import /etc/falco/falco_rules.yaml /etc/falco/rules.d\n  \
        saker rules import --falco-config /etc/falco/falco.yaml\n\n\
        Exit code: 0 every rule is loaded and can match, 1 some cannot, 2 the files do not load."
    )]
    Import(ImportArgs),
    /// Tell what a rule asks, or why it matches an event or does not.
    #[command(after_help = "Examples:\n  saker rules explain 'Terminal shell in a container'\n  \
        saker rules explain 'My rule' --rules my-rules.yaml --event event.yaml\n  \
        saker rules explain 'My rule' --rules my-rules.yaml --event events.saker --index 7\n  \
        echo '{ evt.type: execve, proc.name: bash }' | saker rules explain 'My rule' --event -\n\n\
        An event is one of a test (docs/rules/testing.md), a test file, or a recording. With several \
        events there is a line for each; --index shows one in full.")]
    Explain(ExplainRuleArgs),
}

/// Which rules are loaded.
#[derive(Debug, Args)]
pub(crate) struct RuleFiles {
    /// Rule files and folders of them, `-` for standard input; the built-in rules without one.
    pub(crate) files: Vec<PathBuf>,
    /// Load the built-in rules before the files.
    #[arg(long)]
    pub(crate) builtin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) rules: RuleFiles,
    /// Do not accept warnings.
    #[arg(long)]
    pub(crate) strict: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ParseArgs {
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The agent's admin address.
    #[arg(long, value_name = "URL", env = "SAKER_AGENT", default_value = "http://127.0.0.1:2803")]
    pub(crate) agent: String,
    /// Time between two looks.
    #[arg(long, default_value = "2s")]
    pub(crate) interval: HumanDuration,
    /// Show the counts since the rules were loaded, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many rules are shown.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) max: usize,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) rules: RuleFiles,
    /// Only these lints; may be repeated.
    #[arg(long, value_name = "LINT")]
    pub(crate) select: Vec<String>,
    /// Leave these lints out; may be repeated.
    #[arg(long, value_name = "LINT")]
    pub(crate) ignore: Vec<String>,
    /// Run also the lints that are a matter of taste.
    #[arg(long)]
    pub(crate) pedantic: bool,
    /// List the lints and end.
    #[arg(long)]
    pub(crate) list: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Rule files and folders of them, in the order Falco loads them.
    #[arg(required_unless_present = "falco_config")]
    pub(crate) files: Vec<PathBuf>,
    /// Falco's configuration: its `rules_files` come first, its `rules` and `priority` apply.
    #[arg(long, value_name = "FILE")]
    pub(crate) falco_config: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) rules: RuleFiles,
    /// Only the cases of this rule; may be repeated. `*` stands for any text.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Vec<String>,
    /// Fail if an enabled rule has no case.
    #[arg(long)]
    pub(crate) all_tested: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) rules: RuleFiles,
    /// Only rules of this name; `*` stands for any text.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) name: Option<String>,
    /// Only rules with this tag; with several, all of them. `*` stands for any text.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) tag: Vec<String>,
    /// Only rules at least as severe.
    #[arg(long)]
    pub(crate) priority: Option<alert::Priority>,
    /// Only rules of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only rules that are asked about this kind of event.
    #[arg(long, value_name = "KIND")]
    pub(crate) event: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainRuleArgs {
    /// The rule's name.
    pub(crate) rule: String,
    /// Rule files and folders of them; the built-in rules without one.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) rules: Vec<PathBuf>,
    /// Load the built-in rules before the files.
    #[arg(long)]
    pub(crate) builtin: bool,
    /// Ask the rule about the events in this file, `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    /// Which of several events to show in full, from 1.
    #[arg(long, value_name = "NUMBER", requires = "event")]
    pub(crate) index: Option<usize>,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
