//! Which users an issuer's tokens can name, and that no issuer reaches into another's.

use super::issuer::IssuerSettings;
use super::source::Source;

/// Notes every issuer whose tokens could name the users of another one: one without a prefix beside one with a prefix,
/// or one whose prefix begins another's.
///
/// Issuers with one and the same prefix, or with none, name the same users. That is what two keys of one system are
/// for, and a way in for a stranger otherwise, so it is a warning.
pub(super) fn check(source: &mut Source<'_>, issuers: &[IssuerSettings]) {
    let naming: Vec<&IssuerSettings> = issuers.iter().filter(|issuer| names_users(issuer)).collect();
    for (place, one) in naming.iter().enumerate() {
        for (other_place, other) in naming.iter().enumerate() {
            let (prefix, others) = (&one.subject.prefix, &other.subject.prefix);
            if prefix == others && place < other_place {
                let ids = if prefix.is_empty() { "no user_prefix".to_owned() } else { format!("{prefix:?}") };
                source.warnings.push(format!(
                    "auth.issuers.{} and auth.issuers.{} both have {ids}: a token of either can name the same users. \
                     Give them different prefixes, unless they are two keys of one system",
                    one.name, other.name
                ));
            }
            if prefix != others && others.starts_with(prefix.as_str()) {
                reaches(source, one, other);
            }
        }
    }
}

/// Whether a subject of its tokens becomes the id of a user, rather than that the host has said whose it is. An issuer
/// of services alone, whose users may enter no dialect, names none.
const fn names_users(issuer: &IssuerSettings) -> bool {
    !issuer.dialects.is_empty() && (!issuer.subject.by_directory || issuer.subject.first_sight)
}

fn reaches(source: &mut Source<'_>, one: &IssuerSettings, other: &IssuerSettings) {
    let (prefix, others) = (&one.subject.prefix, &other.subject.prefix);
    let has =
        if prefix.is_empty() { "no user_prefix".to_owned() } else { format!("user_prefix = {prefix:?}") };
    let subject = format!("{}42", others.strip_prefix(prefix.as_str()).unwrap_or(others));
    source.wrong(
        format!("auth.issuers.{}", one.name),
        &format!(
            "{has}, so that its token for {subject:?} would speak for {:?}, a user of auth.issuers.{}",
            format!("{others}42"),
            other.name
        ),
        "a user_prefix with which no other issuer's prefix begins",
        &format!(
            "add a line such as user_prefix = \"{}:\"; or, where the ids are those of your own users, let the host say \
             whose a subject is: subject = \"directory\"",
            one.name
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Flags, Loaded, Problems};

    const SECRET: &str = "an-HS256-secret-that-is-hard-to-guess-7f3a";

    /// What was found wrong with this issuer.
    fn refused(result: Result<Loaded, Problems>, what: &str) -> String {
        let problems = result.unwrap_err();
        let problem = problems.0.iter().find(|problem| problem.what == what);
        problem.unwrap_or_else(|| panic!("nothing about {what} in: {problems}")).found.clone()
    }

    /// `web` and `shop` with these lines each.
    fn two_issuers(web: &str, shop: &str) -> Result<Loaded, Problems> {
        let issuer =
            |name: &str, lines: &str| format!("[auth.issuers.{name}]\nsecret = \"{SECRET}\"\n{lines}\n");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, issuer("web", web) + &issuer("shop", shop)).unwrap();
        Config::load(&Flags::from([("--config", path.to_str().unwrap().to_owned())]), &Environment::default())
    }

    #[test]
    fn an_issuer_that_could_name_anothers_users_is_refused() {
        let guests = "subject = \"directory\"\nfirst_sight = true\nuser_prefix = \"guest:\"";
        for (web, shop) in [
            ("", "user_prefix = \"shop:\""),
            ("first_sight = false", "user_prefix = \"shop:\""),
            ("", guests),
            ("user_prefix = \"s\"", "user_prefix = \"shop:\""),
            ("user_prefix = \"guest\"", guests),
        ] {
            let found = refused(two_issuers(web, shop), "auth.issuers.web");
            assert!(found.contains("auth.issuers.shop") && found.contains("42"), "{found}");
            // Whatever their names: the order in which they are read does not matter.
            refused(two_issuers(shop, web), "auth.issuers.shop");
        }
        for (web, shop) in [
            ("user_prefix = \"web:\"", "user_prefix = \"shop:\""),
            ("user_prefix = \"web:\"", guests),
            // Whose subjects the host ties to users names none by itself.
            ("subject = \"directory\"", "user_prefix = \"shop:\""),
            ("subject = \"directory\"", ""),
            // Nor does one of services alone.
            ("service = true\ndialects = []", "user_prefix = \"shop:\""),
            ("subject = \"directory\"", "subject = \"directory\""),
        ] {
            let loaded = two_issuers(web, shop).unwrap_or_else(|error| panic!("{web} {shop}: {error}"));
            assert!(loaded.warnings.is_empty(), "{web} {shop}: {:?}", loaded.warnings);
        }
        // Two keys of one system have one prefix, or none; strangers have not.
        for same in ["", "user_prefix = \"shop:\""] {
            let warnings = two_issuers(same, same).unwrap().warnings;
            assert!(warnings.len() == 1 && warnings[0].contains("can name the same users"), "{warnings:?}");
        }
    }
}
