//! A plan for programs.

use super::{Plan, Renderer, Style};

pub struct Json;

impl Renderer for Json {
    fn render(&self, plan: &Plan, _style: Style) -> String {
        let mut text = serde_json::to_string_pretty(plan).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_json() {
        let text = Json.render(&super::super::tests::example(), Style::default());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["settings"][0]["recommended"], 60);
        assert!(json["settings"][0].get("is_timer").is_none());
    }
}
