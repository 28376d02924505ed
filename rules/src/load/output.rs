//! Outputs of rules, with what the configuration appends to them.

use alert::Field;

use super::{AppendOutput, ExtraField, LoadOptions, RuleDefinition, compile::Work};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType, Location},
    ir::is_deprecated,
    parse::{Fault, Operand, Piece, output},
    rule::{Extra, Segment},
    text::Text,
};

/// Stood for the container's fields once; now every alert has them.
const CONTAINER_INFO: &str = "%container.info";
/// What `suggested_output` appends to rules about system calls.
const SUGGESTED: &str = "container_id=%container.id container_name=%container.name \
     container_image_repository=%container.image.repository \
     container_image_tag=%container.image.tag k8s_ns_name=%k8s.ns.name k8s_pod_name=%k8s.pod.name";

impl AppendOutput {
    fn takes(&self, definition: &RuleDefinition) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        is(&self.rule, definition.name.as_str())
            && is(&self.source, &definition.source)
            && self.tags.iter().all(|tag| definition.tags.contains(tag))
    }
}

impl Work<'_> {
    /// Returns the rule's output with what the configuration appends.
    pub(super) fn output(&mut self) -> Option<Vec<Segment>> {
        self.part(ItemType::RuleOutput, |work, found| {
            let text = work.without_container_info(found);
            let mut segments = work
                .own_segments(&text, found)
                .map_err(|fault| found.push(work.in_output(&text, work.output_code(), fault)))
                .ok()?;
            for append in appended(work.options, work.definition) {
                let suggested = append.suggested_output && work.definition.source == "syscall";
                let suggested = suggested.then_some(SUGGESTED);
                for format in append.extra_output.as_deref().into_iter().chain(suggested) {
                    segments.push(Segment::Text(" ".into()));
                    segments.extend(work.appended(format, found)?);
                }
            }
            Some(segments)
        })
    }

    /// Returns the fields that the configuration adds to the rule's alerts.
    pub(super) fn extra_fields(&mut self) -> Option<Vec<Extra>> {
        self.part(ItemType::RuleOutput, |work, found| {
            let mut extras = Vec::new();
            for append in appended(work.options, work.definition) {
                for field in &append.extra_fields {
                    let extra = match field {
                        ExtraField::Field(name) => {
                            let format = format!("%{name}");
                            let mut segments = work.appended(&format, found)?;
                            match (segments.pop(), segments.is_empty()) {
                                (Some(value @ Segment::Value { .. }), true) => Extra::Fields(value),
                                _ => {
                                    let message = format!("`{name}` is no field");
                                    let fault = Fault::new(Default::default(), message);
                                    found.push(work.in_configuration(fault));
                                    return None;
                                }
                            }
                        }
                        ExtraField::Format { name, format } => {
                            let segments = work.appended(format, found)?;
                            Extra::Format(name.as_str().into(), segments.into())
                        }
                    };
                    extras.push(extra);
                }
            }
            // What the texts name of the configuration are fields of the alert too.
            extras.append(&mut work.constants);
            Some(extras)
        })
    }

    fn appended(&mut self, format: &str, found: &mut Vec<Diagnostic>) -> Option<Vec<Segment>> {
        let segments = output(format).and_then(|pieces| self.segments(pieces));
        segments.map_err(|fault| found.push(self.in_configuration(fault))).ok()
    }

    /// Compiles the parts of a format. A value of the configuration is a field of the alert as
    /// others are.
    fn segments(&mut self, pieces: Vec<Piece>) -> Result<Vec<Segment>, Fault> {
        let mut segments = Vec::with_capacity(pieces.len());
        for mut piece in pieces {
            if let Piece::Value { operand, .. } = &mut piece {
                let field = match &operand {
                    Operand::Field { name, .. } => Some(name.clone()),
                    _ => None,
                };
                self.statics.operand(operand);
                if let (Some(name), Operand::Literal(literal)) = (field, operand) {
                    self.constants.push(Extra::Constant(name, literal.text.clone()));
                }
            }
            segments.push(Segment::compile(self.graph, piece, self.source)?);
        }
        Ok(segments)
    }

    fn output_code(&self) -> Code {
        match self.definition.skip_if_unknown_filter {
            true => Code::UnknownFilter,
            false => Code::CompileOutput,
        }
    }

    fn in_configuration(&self, fault: Fault) -> Diagnostic {
        let node = &self.definition.output_node;
        let error = node.error(self.files, Code::CompileOutput, fault.message);
        error.hints(fault.hint).hint("it stands in `append_output` of the configuration")
    }

    fn in_output(&self, text: &Text, code: Code, fault: Fault) -> Diagnostic {
        let place = text.place(self.files, fault.span.start..fault.span.end);
        let mut diagnostic = Diagnostic::at(code, &place, fault.message).hints(fault.hint);
        diagnostic.inside(Location::new(ItemType::RuleOutputExpression, "", &place));
        diagnostic
    }

    fn without_container_info(&self, found: &mut Vec<Diagnostic>) -> Text {
        let output = &self.definition.output;
        let mut text = Text::default();
        let mut at = 0;
        while let Some(offset) = output.as_str()[at..].find(CONTAINER_INFO) {
            let start = at + offset;
            text.push_part(output, at..start);
            at = start + CONTAINER_INFO.len();
            let place = output.place(self.files, start..at);
            let message = "`%container.info` is deprecated and stands for nothing";
            let warning = Diagnostic::at(Code::DeprecatedItem, &place, message);
            found.push(warning.hint("every alert has the container's fields"));
        }
        text.push_part(output, at..output.as_str().len());
        text
    }

    fn own_segments(
        &mut self,
        text: &Text,
        found: &mut Vec<Diagnostic>,
    ) -> Result<Vec<Segment>, Fault> {
        let pieces = output(text.as_str())?;
        for piece in &pieces {
            if let Piece::Value { operand: Operand::Field { name, span, .. }, .. } = piece
                && Field::resolve(name, None).is_ok_and(|(field, _)| is_deprecated(field))
            {
                let fault = Fault::new(*span, format!("`{name}` is deprecated"));
                found.push(self.in_output(text, Code::DeprecatedItem, fault));
            }
        }
        self.segments(pieces)
    }
}

fn appended<'a>(
    options: &'a LoadOptions,
    definition: &'a RuleDefinition,
) -> impl Iterator<Item = &'a AppendOutput> {
    options.append_output.iter().filter(|append| append.takes(definition))
}
