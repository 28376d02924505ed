//! Refuses what a template must not do: switch escaping off, call itself, or loop in loops in loops.

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};

/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 16;
/// Deepest nesting of `each`: a group's findings, a finding's fields, a field's items.
const LOOPS_MAX: usize = 3;

/// Returns what is wrong with a template, with the line and column.
pub(crate) fn inspect(template: &Template) -> Result<(), String> {
    walk(template, 0, 0)
}

fn walk(template: &Template, depth: usize, loops: usize) -> Result<(), String> {
    for (index, element) in template.elements.iter().enumerate() {
        element_allowed(element, depth, loops).map_err(|reason| {
            match template.mapping.get(index) {
                // A nested block has told its own place already.
                Some(mapping) if !reason.starts_with("line ") => {
                    format!("line {}, column {}: {reason}", mapping.0, mapping.1)
                }
                _ => reason,
            }
        })?;
    }
    Ok(())
}

fn element_allowed(element: &TemplateElement, depth: usize, loops: usize) -> Result<(), String> {
    match element {
        TemplateElement::RawString(_)
        | TemplateElement::Comment(_)
        | TemplateElement::Expression(_) => Ok(()),
        TemplateElement::HtmlExpression(_) => {
            Err("`{{{…}}}` would let data through unescaped: write `{{…}}`".into())
        }
        TemplateElement::HelperBlock(block) => block_allowed(block, depth + 1, loops),
        _ => Err("partials and decorators are not supported".into()),
    }
}

fn block_allowed(block: &HelperTemplate, depth: usize, loops: usize) -> Result<(), String> {
    let loops = loops + usize::from(is_each(block));
    if depth > DEPTH_MAX || loops > LOOPS_MAX {
        return Err(format!(
            "blocks nest too deep: at most {DEPTH_MAX}, of which {LOOPS_MAX} `each`"
        ));
    }
    for template in block.template.iter().chain(block.inverse.iter()) {
        walk(template, depth, loops)?;
    }
    Ok(())
}

fn is_each(block: &HelperTemplate) -> bool {
    match &block.name {
        Parameter::Name(name) => name == "each",
        // A bare name that is no helper loops over a list, too.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &str) {
        let refused = inspect(&Template::compile(source).unwrap()).err().unwrap_or_default();
        assert_eq!(refused, expect, "{source}");
    }

    #[test]
    fn escaping_cannot_be_switched_off() {
        let raw = "`{{{…}}}` would let data through unescaped: write `{{…}}`";
        check("a\n {{{output}}}", &format!("line 2, column 2: {raw}"));
        check("{{{output}}}", &format!("line 1, column 1: {raw}"));
        check("{{#if top}}{{else}}{{{output}}}{{/if}}", &format!("line 1, column 20: {raw}"));
    }

    #[test]
    fn a_template_can_neither_call_others_nor_loop_without_end() {
        let refused = "line 1, column 1: partials and decorators are not supported";
        check("{{> other}}", refused);
        check(r#"{{#*inline "x"}}{{/inline}}"#, refused);
        let each = |depth: usize| "{{#each a}}".repeat(depth) + &"{{/each}}".repeat(depth);
        check(&each(3), "");
        assert!(inspect(&Template::compile(&each(4)).unwrap()).is_err());
        let ifs = "{{#if a}}".repeat(17) + &"{{/if}}".repeat(17);
        assert!(inspect(&Template::compile(&ifs).unwrap()).is_err());
    }
}
