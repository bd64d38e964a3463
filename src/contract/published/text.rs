//! How the files are written: JSON with a line for each member, and YAML.

use serde_json::{Map, Value};

/// One more level of indentation.
const INDENT: &str = "  ";

/// The longest list or object that stands on one line, in bytes.
const LINE_BYTES_MAX: usize = 100;

/// `json`, which has no spaces between its tokens, as people read it: what is small and has nothing inside of it
/// on one line, else each member and item on its own. The order of members stays, which a round through
/// `Value` would lose.
pub(super) fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut rest) = (0, json);
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '"' => &rest[..string_end(rest)],
            '{' | '[' => flat(rest).unwrap_or(&rest[..1]),
            _ => &rest[..first.len_utf8()],
        };
        match token {
            "{" | "[" => depth += 1,
            "}" | "]" => {
                depth -= 1;
                start_line(&mut text, depth);
            }
            _ => {}
        }
        if token.len() > 1 && first != '"' {
            push_spaced(&mut text, token);
        } else {
            text.push_str(token);
        }
        match token {
            "{" | "[" | "," => start_line(&mut text, depth),
            ":" => text.push(' '),
            _ => {}
        }
        rest = &rest[token.len()..];
    }
    text.push('\n');
    text
}

/// Where the string ends that `json` begins with, its closing quote included.
fn string_end(json: &str) -> usize {
    let mut is_escaped = false;
    let closes = |(_, character): &(usize, char)| {
        let closes = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        closes
    };
    json.char_indices().skip(1).find(closes).map_or(json.len(), |(place, _)| place + 1)
}

/// The list or object that `json` begins with, if it is small and has none inside of it.
fn flat(json: &str) -> Option<&str> {
    let mut end = 1;
    while end <= LINE_BYTES_MAX {
        match json[end..].chars().next()? {
            '"' => end += string_end(&json[end..]),
            '}' | ']' => return Some(&json[..=end]),
            '{' | '[' => return None,
            other => end += other.len_utf8(),
        }
    }
    None
}

/// Adds `token` with a space after each comma and colon.
fn push_spaced(text: &mut String, token: &str) {
    let mut rest = token;
    while let Some(first) = rest.chars().next() {
        let end = if first == '"' { string_end(rest) } else { first.len_utf8() };
        text.push_str(&rest[..end]);
        if matches!(first, ',' | ':') {
            text.push(' ');
        }
        rest = &rest[end..];
    }
}

fn start_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&INDENT.repeat(depth));
}

/// `sections` as a YAML document, in their order and with a line between them.
pub(super) fn yaml(sections: &[(&str, Value)]) -> String {
    let mut document = String::new();
    for (name, value) in sections {
        document.push_str(name);
        document.push(':');
        write_value(&mut document, value, 1);
        document.push_str(if value.is_string() { "\n" } else { "\n\n" });
    }
    document.truncate(document.trim_end().len());
    document.push('\n');
    document
}

/// Writes what follows a colon or a dash.
fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            start_line(text, depth);
            write_members(text, members, depth);
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                start_line(text, depth);
                text.push('-');
                write_item(text, item, depth + 1);
            }
        }
        Value::String(lines) if lines.contains('\n') => write_lines(text, lines, depth),
        // All JSON of one line is YAML too.
        on_one_line => {
            text.push(' ');
            text.push_str(&on_one_line.to_string());
        }
    }
}

/// Writes members one below the other, the first of them at the end of `text`.
fn write_members(text: &mut String, members: &Map<String, Value>, depth: usize) {
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            start_line(text, depth);
        }
        if is_plain(name) {
            text.push_str(name);
        } else {
            text.push_str(&Value::from(name.as_str()).to_string());
        }
        text.push(':');
        write_value(text, value, depth + 1);
    }
}

fn write_item(text: &mut String, item: &Value, depth: usize) {
    match item {
        Value::Object(members) if !members.is_empty() => {
            text.push(' ');
            write_members(text, members, depth);
        }
        other => write_value(text, other, depth),
    }
}

fn write_lines(text: &mut String, lines: &str, depth: usize) {
    text.push_str(" |-");
    for line in lines.lines() {
        if line.is_empty() {
            text.push('\n');
        } else {
            start_line(text, depth);
            text.push_str(line);
        }
    }
}

/// Whether a name means itself without quotes. Older YAML reads some words as true, false or nothing.
fn is_plain(name: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let goes_on_well = name.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    starts_well && goes_on_well && !words.contains(&name.to_ascii_lowercase().as_str())
}

/// Documentation is broken into lines for the eye; a description is running text.
pub(crate) fn join_lines(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    other => join_lines(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_written_as_people_read_it_and_keeps_its_order() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let json = format!(r#"{{"b":[],"a":[1,{{"c":"{{\"é\\","d":true}}],"l":{{"k":"{long}"}}}}"#);
        let lines = [
            "{",
            r#"  "b": [],"#,
            r#"  "a": ["#,
            "    1,",
            r#"    {"c": "{\"é\\", "d": true}"#,
            "  ],",
            r#"  "l": {"#,
            &format!(r#"    "k": "{long}""#),
            "  }",
            "}",
            "",
        ];
        assert_eq!(indented(&json), lines.join("\n"));
    }

    #[test]
    fn yaml_is_written_as_people_write_it() {
        let value = json!({
            "on": true, "a:b": "x: y", "none": [], "list": [{"k": null, "l": [1]}, "two"],
            "text": "first\n\nsecond line",
        });
        let lines = [
            "version: \"1\"",
            "top:",
            "  \"a:b\": \"x: y\"",
            "  list:",
            "    - k: null",
            "      l:",
            "        - 1",
            "    - \"two\"",
            "  none: []",
            "  \"on\": true",
            "  text: |-",
            "    first",
            "",
            "    second line",
            "",
        ];
        assert_eq!(yaml(&[("version", json!("1")), ("top", value)]), lines.join("\n"));
    }
}
