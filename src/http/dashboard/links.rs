//! Where things are. An id may have slashes and more in it, so each is written as one part of a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a part of a path and in a query as it is (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one part of a path, or as a value of a query.
pub(super) fn part(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// The page of an account, or of a pool as an account.
pub(super) fn account(id: &str) -> String {
    format!("/accounts/{}", part(id))
}

/// The page that quotes for an account.
pub(super) fn quote(account: &str) -> String {
    format!("/accounts/{}/quote", part(account))
}

/// The page of an account's statements.
pub(super) fn statement(account: &str) -> String {
    format!("/accounts/{}/statement", part(account))
}

/// The page of a project.
pub(super) fn project(id: &str) -> String {
    format!("/projects/{}", part(id))
}

/// The page of an organization.
pub(super) fn organization(id: &str) -> String {
    format!("/organizations/{}", part(id))
}

/// Where an account's usage report is, in the format of that extension.
pub(super) fn usage_report(account: &str, extension: &str) -> String {
    format!("/v1/accounts/{}/usage.{extension}", part(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_part_of_a_path() {
        assert_eq!(account("studio/film@north:1"), "/accounts/studio%2Ffilm%40north%3A1");
        assert_eq!(organization("a.b_c-d"), "/organizations/a.b_c-d");
        assert_eq!(quote("a/b"), "/accounts/a%2Fb/quote");
        assert_eq!(project("2026/spring"), "/projects/2026%2Fspring");
    }

    #[test]
    fn nothing_of_a_text_gets_out_of_its_part() {
        assert_eq!(part("?&#%\"<> é"), "%3F%26%23%25%22%3C%3E%20%C3%A9");
    }
}
