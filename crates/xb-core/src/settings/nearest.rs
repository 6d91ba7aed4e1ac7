//! What someone may have meant.

use super::{KEYS, Key, Place};

/// The key of configuration files that is most like a text, if one is near enough to be meant. The long
/// options count as spellings too: `mysql_socket` means `mysql_sock`.
pub(super) fn key(text: &str) -> Option<&'static Key> {
    let wanted = text.to_lowercase().replace('-', "_");
    // A third of the letters may be wrong; more is another word.
    let limit = (wanted.chars().count() / 3).max(1);
    KEYS.iter()
        .filter(|key| key.place == Place::Anywhere)
        .map(|key| {
            let by_option = strsim::damerau_levenshtein(&key.long.replace('-', "_"), &wanted);
            (strsim::damerau_levenshtein(key.name, &wanted).min(by_option), key)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("store_dir", Some("stor_dir"))]
    #[case("Stor-Dir", Some("stor_dir"))]
    #[case("mysql_socket", Some("mysql_sock"))]
    #[case("mysql_password", Some("mysql_pass"))]
    #[case("retention_set", Some("retention_sets"))]
    #[case("colour", None)]
    #[case("", None)]
    fn the_nearest_key_is_the_one_meant(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(key(text).map(|key| key.name), expected);
    }
}
