//! What all tables of figures have around their rows: a place of their own to scroll in, so that the page never does,
//! a caption for who hears them, and headings.

use maud::{Markup, html};

/// A column by its heading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'t> {
    /// Words.
    Text(&'t str),
    /// Numbers, which end beneath each other.
    Number(&'t str),
}

/// A table of these rows. `label` names the place that it scrolls in, and stands for it once on a page.
pub(super) fn table(label: &str, caption: &str, columns: &[Column<'_>], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                caption.hidden { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            @match column {
                                Column::Text(heading) => th scope="col" { (heading) },
                                Column::Number(heading) => th.number scope="col" { (heading) },
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_it_is_and_can_be_scrolled_by_keyboard() {
        let rows = html! { tr { th scope="row" { "photo" } td.number { "5" } } };
        let shown =
            table("Price <list>", "Credits", &[Column::Text("Type"), Column::Number("Credits")], &rows);
        let shown = shown.into_string();
        assert!(shown.starts_with(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Price &lt;list&gt;\">"
        ));
        assert!(shown.contains("<caption class=\"hidden\">Credits</caption>"), "{shown}");
        assert!(
            shown.contains("<th scope=\"col\">Type</th><th class=\"number\" scope=\"col\">Credits</th>"),
            "{shown}"
        );
    }
}
