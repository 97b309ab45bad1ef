//! Showing how two lists of lines differ.

/// The lines of both, in order: `-` what was expected alone, `+` what came alone.
#[expect(clippy::indexing_slicing, reason = "the table has a row and a column for every index and one more")]
pub(crate) fn diff(expected: &[String], came: &[String]) -> String {
    // Longest common subsequence, by the lengths for each pair of suffixes.
    let mut longest = vec![vec![0_usize; came.len() + 1]; expected.len() + 1];
    for (i, left) in expected.iter().enumerate().rev() {
        for (j, right) in came.iter().enumerate().rev() {
            longest[i][j] = if left == right {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut shown) = (0, 0, String::new());
    let mut show = |sign: char, line: &str| {
        shown.push_str("    ");
        shown.push(sign);
        shown.push(' ');
        shown.push_str(line);
        shown.push('\n');
    };
    while i < expected.len() || j < came.len() {
        match (expected.get(i), came.get(j)) {
            (Some(left), Some(right)) if left == right => {
                show(' ', left);
                (i, j) = (i + 1, j + 1);
            }
            (Some(left), right) if right.is_none() || longest[i + 1][j] >= longest[i][j + 1] => {
                show('-', left);
                i += 1;
            }
            (_, Some(right)) => {
                show('+', right);
                j += 1;
            }
            (_, None) => break,
        }
    }
    shown
}

#[test]
fn a_difference_shows_what_was_expected_and_what_came() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let shown = diff(&lines("a b c"), &lines("a x c d"));
    assert_eq!(shown, "      a\n    - b\n    + x\n      c\n    + d\n");
}
