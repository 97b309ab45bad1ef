//! What the pages say about the sources is so: tests that are named exist, error codes are all there, links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(workspace().join(path)).with_context(|| path.to_owned())
}

/// What stands between pairs of `mark`.
fn between(text: &str, mark: char) -> Vec<&str> {
    text.split(mark).skip(1).step_by(2).collect()
}

/// A list item `- FILE: TEST, TEST` of the page on delivery.
struct Named {
    file: String,
    tests: Vec<String>,
}

fn named(page: &str) -> Vec<Named> {
    // An item ends where the next one begins, or its list.
    let items = page.split("\n- `").skip(1).filter_map(|item| item.split("\n\n").next());
    items
        .filter_map(|item| {
            let (file, rest) = item.split_once("`:")?;
            let mark = if file.ends_with(".mjs") { '"' } else { '`' };
            // A name of a step may be broken over lines.
            let rest = rest.replace("\n ", "");
            let tests = between(&rest, mark).into_iter().map(str::to_owned).collect();
            Some(Named { file: file.to_owned(), tests })
        })
        .collect()
}

/// Whether a file of Rust has a test of this name, or a case of the contract suite.
fn is_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let Some((above, _)) = before.rsplit_once('\n') else { return false };
    let attributes = above.lines().rev().map(str::trim);
    let mut attributes = attributes.take_while(|line| line.starts_with('#') || line.starts_with("//"));
    attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

#[test]
fn every_test_that_the_promises_name_exists() -> anyhow::Result<()> {
    let named = named(&read("docs/delivery.md")?);
    let contract = read("crates/testkit/src/contract/mod.rs")?;
    let cases: BTreeSet<&str> = contract.split_whitespace().collect();
    let mut missing = Vec::new();
    for Named { file, tests } in &named {
        let source = read(file)?;
        for test in tests {
            let is_there = if file.ends_with(".mjs") {
                source.contains(&format!("step(\"{test}\""))
            } else {
                let is_case =
                    file.starts_with("crates/testkit/src/contract/") && cases.contains(test.as_str());
                is_test(&source, test) || (is_case && source.contains(&format!("fn {test}(")))
            };
            if !is_there {
                missing.push(format!("{file}: {test}"));
            }
        }
    }
    let count: usize = named.iter().map(|named| named.tests.len()).sum();
    ensure!(count > 50, "the page is not read as it is written: only {count} tests were found in it");
    ensure!(missing.is_empty(), "docs/delivery.md names tests that are not there:\n{}", missing.join("\n"));
    Ok(())
}

/// String literals that may be codes: lower-case words, with hyphens between.
fn words(source: &str) -> impl Iterator<Item = String> {
    let is_word = |text: &&str| {
        !text.is_empty() && text.split('-').all(|part| part.chars().all(|c| c.is_ascii_lowercase()))
    };
    between(source, '"').into_iter().filter(is_word).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The bodies of the functions that begin with `start`.
fn bodies<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let begins = source.match_indices(start).filter_map(|(at, _)| source.get(at + start.len()..));
    begins
        .filter_map(|rest| {
            let mut depth = 0_usize;
            let end = rest.find(|c| {
                depth += usize::from(c == '{');
                depth -= usize::from(c == '}' && depth > 0);
                c == '}' && depth == 0
            })?;
            rest.get(..end)
        })
        .collect()
}

/// All codes that the sources give.
fn codes() -> anyhow::Result<BTreeSet<String>> {
    let mut codes = BTreeSet::new();
    let mut folders = vec![workspace().join("crates/domain/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for body in bodies(&fs::read_to_string(&path)?, "fn code(") {
                codes.extend(words(body));
            }
        }
    }
    for body in bodies(&read("crates/wire/src/host/problem.rs")?, "fn problem(") {
        codes.extend(words(body));
    }
    // A socket error's code is the only text with a hyphen there.
    codes.extend(words(&read("crates/wire/src/campaign/events.rs")?).filter(|word| word.contains('-')));
    Ok(codes)
}

#[test]
fn the_page_of_problems_has_every_code_and_no_other() -> anyhow::Result<()> {
    let page = read("docs/problems.md")?;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: Vec<String> = rows.map(str::to_owned).collect();
    ensure!(listed.is_sorted(), "the codes are in alphabetical order");
    let (listed, given) = (listed.into_iter().collect::<BTreeSet<_>>(), codes()?);
    ensure!(given.len() > 20, "the codes are not found where they were: {given:?}");
    let missing: Vec<_> = given.difference(&listed).collect();
    let extra: Vec<_> = listed.difference(&given).collect();
    ensure!(
        missing.is_empty() && extra.is_empty(),
        "docs/problems.md lacks {missing:?}, and lists what nobody gives: {extra:?}"
    );
    Ok(())
}

/// The page without its blocks of code.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// The places on a page that a link may lead to, as GitHub makes them of its headings.
fn places(page: &str) -> BTreeSet<String> {
    let headings = prose(page);
    let headings = headings.lines().filter_map(|line| line.strip_prefix('#'));
    let place = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(place).collect()
}

/// Why a link on a page leads nowhere.
fn dead(page: &Path, text: &str, link: &str) -> anyhow::Result<Option<String>> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let target = page.parent().unwrap_or(page).join(path);
    if !path.is_empty() && !target.exists() {
        return Ok(Some(format!("{}: {link}: there is no such file", page.display())));
    }
    let there =
        if path.is_empty() { text.to_owned() } else { fs::read_to_string(&target).unwrap_or_default() };
    let is_place = place.is_empty() || places(&there).contains(place);
    Ok((!is_place).then(|| format!("{}: {link}: there is no such heading", page.display())))
}

#[test]
fn links_between_pages_lead_somewhere() -> anyhow::Result<()> {
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in ["", "docs", "bench", "bench/peers"].map(|folder| workspace().join(folder)) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let (mut dead_links, mut links) = (Vec::new(), 0);
    for page in &pages {
        let text = fs::read_to_string(page)?;
        let prose = prose(&text);
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            links += 1;
            dead_links.extend(dead(page, &text, link)?);
        }
    }
    ensure!(links > 20, "the links are not read as they are written: only {links} were found");
    ensure!(dead_links.is_empty(), "links that lead nowhere:\n{}", dead_links.join("\n"));
    Ok(())
}
