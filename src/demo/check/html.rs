//! What the small browser reads in a page: its forms and its words.

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

/// A form as a person could send it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Where it goes, as written; empty is the page itself.
    pub action: String,
    /// Whether it is sent by POST.
    pub post: bool,
    /// Inputs that are not buttons: name and value as the page set them.
    pub fields: Vec<(String, String)>,
    /// What can be pressed.
    pub buttons: Vec<Button>,
}

/// A submit button.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Button {
    /// What is sent when it is pressed, if it has a name.
    pub field: Option<(String, String)>,
    /// The words on it.
    pub words: String,
}

/// Reads the forms of a page and its visible words.
pub fn read(html: &str) -> (Vec<Form>, String) {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&text(&tag.name)),
            Token::String(words) => reader.words(&text(&words)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    let words = reader
        .words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (reader.forms, words)
}

#[derive(Default)]
struct Reader {
    forms: Vec<Form>,
    words: String,
    in_form: bool,
    in_button: bool,
    unseen: bool,
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| text(value));
        match tag.name.as_slice() {
            b"form" => {
                self.in_form = true;
                self.forms.push(Form {
                    action: attribute(b"action").unwrap_or_default(),
                    post: attribute(b"method").is_some_and(|m| m.eq_ignore_ascii_case("post")),
                    ..Form::default()
                });
            }
            b"input" => self.input(attribute),
            b"button" if attribute(b"type").is_none_or(|kind| kind == "submit") => {
                self.in_button = true;
                self.button(Button {
                    field: attribute(b"name").map(|n| (n, attribute(b"value").unwrap_or_default())),
                    words: String::new(),
                });
            }
            b"style" | b"script" | b"title" => self.unseen = true,
            _ => self.words.push(' '),
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "form" => self.in_form = false,
            "button" => self.in_button = false,
            "style" | "script" | "title" => self.unseen = false,
            _ => {}
        }
        self.words.push(' ');
    }

    fn words(&mut self, words: &str) {
        if self.unseen {
            return;
        }
        self.words.push_str(words);
        if let (true, Some(button)) = (self.in_button, self.last_button()) {
            button.words.push_str(words.trim());
        }
    }

    fn input(&mut self, attribute: impl Fn(&[u8]) -> Option<String>) {
        let value = attribute(b"value").unwrap_or_default();
        match attribute(b"type").as_deref() {
            Some("submit") => self.button(Button {
                field: attribute(b"name").map(|name| (name, value.clone())),
                words: value,
            }),
            Some("button" | "reset" | "image") => {}
            Some("checkbox" | "radio") if attribute(b"checked").is_none() => {}
            Some(_) | None => {
                if let (true, Some(form), Some(name)) =
                    (self.in_form, self.forms.last_mut(), attribute(b"name"))
                {
                    form.fields.push((name, value));
                }
            }
        }
    }

    fn button(&mut self, button: Button) {
        if let (true, Some(form)) = (self.in_form, self.forms.last_mut()) {
            form.buttons.push(button);
        }
    }

    fn last_button(&mut self) -> Option<&mut Button> {
        self.forms.last_mut()?.buttons.last_mut()
    }
}

fn text(bytes: &HtmlString) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_a_browser_would() {
        let (forms, words) = read(
            r#"<title>no</title><h1>Hi &amp; hello</h1><!-- <form> --><input name=outside>
            <form method=POST action="/a?b=1&amp;c=2"><input type=hidden name=csrf value='x"y'>
            <label>Name <input name=name></label><input type=checkbox name=off>
            <button name=decision value=allow>Yes, <b>go</b></button><button type=button>No</button></form>
            <form action=/other><input type=submit value="Go on"></form>"#,
        );
        assert_eq!(words, "Hi & hello Name Yes, go No");
        assert_eq!(forms.len(), 2);
        assert_eq!(
            (forms[0].action.as_str(), forms[0].post),
            ("/a?b=1&c=2", true)
        );
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(forms[0].fields, [field("csrf", "x\"y"), field("name", "")]);
        assert_eq!(forms[0].buttons[0].field, Some(field("decision", "allow")));
        assert_eq!(forms[1].buttons[0].words, "Go on");
        assert!(!forms[1].post);
    }
}
