//! `LIKE` and a small regular expression matcher: the parts that catalog queries use.

use super::error::PgError;

/// Whether text matches a LIKE pattern.
///
/// # Errors
/// `22025` for a pattern that ends with its escape character.
pub fn like(text: &str, pattern: &str, escape: Option<char>, fold: bool) -> Result<bool, PgError> {
    let prepare = |text: &str| -> Vec<char> {
        if fold {
            text.to_lowercase().chars().collect()
        } else {
            text.chars().collect()
        }
    };
    let (text, pattern) = (prepare(text), prepare(pattern));
    let mut parts = Vec::new();
    let mut chars = pattern.into_iter();
    while let Some(c) = chars.next() {
        parts.push(if Some(c) == escape {
            let message = "LIKE pattern must not end with escape character";
            Part::One(chars.next().ok_or_else(|| PgError::new("22025", message))?)
        } else {
            match c {
                '%' => Part::Any,
                '_' => Part::Each,
                c => Part::One(c),
            }
        });
    }
    Ok(like_parts(&text, &parts))
}

#[derive(PartialEq)]
enum Part {
    Any,
    Each,
    One(char),
}

/// Greedy with one point of return: enough for `%`.
fn like_parts(text: &[char], parts: &[Part]) -> bool {
    let (mut at, mut part) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                back = Some((at, part));
                part += 1;
            }
            Some(Part::Each) => (at, part) = (at + 1, part + 1),
            Some(Part::One(c)) if *c == text[at] => (at, part) = (at + 1, part + 1),
            _ => match back {
                Some((from, any)) => {
                    back = Some((from + 1, any));
                    (at, part) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|part| *part == Part::Any)
}

/// What must match in turn: each part with how often it may.
type Sequence = Vec<(Re, u32, u32)>;

/// A node of a regular expression.
#[derive(Debug, Clone)]
enum Re {
    Char(char),
    Any,
    Class(Vec<(char, char)>, bool),
    Start,
    End,
    Group(Vec<Sequence>),
}

/// Whether text matches a regular expression anywhere: literals, `.`, classes, groups, `|`, `^`, `$`, `*`,
/// `+`, `?`, `{m,n}`, and `\d \w \s`.
///
/// # Errors
/// `2201B` for a pattern that is none, `0A000` for what is not supported.
pub fn regex(text: &str, pattern: &str, fold: bool) -> Result<bool, PgError> {
    let (text, pattern) = if fold {
        (text.to_lowercase(), pattern.to_lowercase())
    } else {
        (text.into(), pattern.into())
    };
    let chars: Vec<char> = pattern.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        depth: 0,
    };
    let alternatives = reader.alternatives()?;
    if reader.at < chars.len() {
        return Err(invalid("parentheses () not balanced"));
    }
    let text: Vec<char> = text.chars().collect();
    let mut fuel = 1_000_000;
    for start in 0..=text.len() {
        for sequence in &alternatives {
            if matches(sequence, &text, start, &mut fuel, &mut |_, _| Ok(true))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn invalid(what: &str) -> PgError {
    PgError::new("2201B", format!("invalid regular expression: {what}"))
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn alternatives(&mut self) -> Result<Vec<Sequence>, PgError> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(invalid("nested too deeply"));
        }
        let mut all = vec![Vec::new()];
        while let Some(c) = self.peek() {
            if c == ')' {
                break;
            }
            self.at += 1;
            if c == '|' {
                all.push(Vec::new());
                continue;
            }
            let atom = self.atom(c)?;
            let (low, high) = self.repeat()?;
            all.last_mut()
                .expect("there is always one alternative")
                .push((atom, low, high));
        }
        self.depth -= 1;
        Ok(all)
    }

    fn atom(&mut self, c: char) -> Result<Re, PgError> {
        Ok(match c {
            '.' => Re::Any,
            '^' => Re::Start,
            '$' => Re::End,
            '[' => self.class()?,
            '(' => {
                if self.peek() == Some('?') {
                    if self.chars.get(self.at + 1) != Some(&':') {
                        return Err(PgError::unsupported("regular expression with (?"));
                    }
                    self.at += 2;
                }
                let inner = self.alternatives()?;
                if self.peek() != Some(')') {
                    return Err(invalid("parentheses () not balanced"));
                }
                self.at += 1;
                Re::Group(inner)
            }
            '*' | '+' | '?' => return Err(invalid("quantifier operand invalid")),
            '\\' => {
                let c = self.peek().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
                self.at += 1;
                escape(c)?
            }
            c => Re::Char(c),
        })
    }

    fn repeat(&mut self) -> Result<(u32, u32), PgError> {
        let bounds = match self.peek() {
            Some('*') => (0, u32::MAX),
            Some('+') => (1, u32::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                let rest: String = self.chars[self.at + 1..].iter().collect();
                let inner = rest
                    .split_once('}')
                    .ok_or_else(|| invalid("braces {} not balanced"))?
                    .0
                    .to_owned();
                self.at += inner.chars().count() + 1;
                let number = |text: &str| {
                    text.parse::<u32>()
                        .map_err(|_| invalid("invalid repetition count(s)"))
                };
                match inner.split_once(',') {
                    None => (number(&inner)?, number(&inner)?),
                    Some((low, "")) => (number(low)?, u32::MAX),
                    Some((low, high)) => (number(low)?, number(high)?),
                }
            }
            _ => return Ok((1, 1)),
        };
        self.at += 1;
        if self.peek() == Some('?') {
            self.at += 1;
        }
        Ok(bounds)
    }

    fn class(&mut self) -> Result<Re, PgError> {
        let unbalanced = || invalid("brackets [] not balanced");
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        let first = self.at;
        loop {
            let c = self.peek().ok_or_else(unbalanced)?;
            self.at += 1;
            match c {
                ']' if self.at - 1 > first => return Ok(Re::Class(ranges, negated)),
                '[' if self.peek() == Some(':') => {
                    let rest: String = self.chars[self.at + 1..].iter().collect();
                    let name = rest.split_once(":]").ok_or_else(unbalanced)?.0;
                    ranges.extend(named_class(name)?);
                    self.at += name.chars().count() + 3;
                }
                '\\' => {
                    let c = self.peek().ok_or_else(unbalanced)?;
                    self.at += 1;
                    match escape(c)? {
                        Re::Class(more, false) => ranges.extend(more),
                        Re::Char(c) => ranges.push((c, c)),
                        _ => return Err(invalid("invalid escape \\ sequence")),
                    }
                }
                low => {
                    let high = match (self.peek(), self.chars.get(self.at + 1)) {
                        (Some('-'), Some(high)) if *high != ']' => {
                            self.at += 2;
                            *high
                        }
                        _ => low,
                    };
                    if high < low {
                        return Err(invalid("invalid character range"));
                    }
                    ranges.push((low, high));
                }
            }
        }
    }
}

fn escape(c: char) -> Result<Re, PgError> {
    Ok(match c {
        'd' => Re::Class(vec![('0', '9')], false),
        'w' => Re::Class(named_class("word")?, false),
        's' => Re::Class(named_class("space")?, false),
        'D' => Re::Class(vec![('0', '9')], true),
        'W' => Re::Class(named_class("word")?, true),
        'S' => Re::Class(named_class("space")?, true),
        'A' => Re::Start,
        'Z' => Re::End,
        'n' => Re::Char('\n'),
        't' => Re::Char('\t'),
        'r' => Re::Char('\r'),
        c if c.is_alphanumeric() => {
            return Err(PgError::unsupported(format!("regular expression escape \\{c}")));
        }
        c => Re::Char(c),
    })
}

fn named_class(name: &str) -> Result<Vec<(char, char)>, PgError> {
    Ok(match name {
        "alpha" => vec![('a', 'z'), ('A', 'Z')],
        "digit" => vec![('0', '9')],
        "alnum" => vec![('a', 'z'), ('A', 'Z'), ('0', '9')],
        "word" => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        "upper" => vec![('A', 'Z')],
        "lower" => vec![('a', 'z')],
        "space" => vec![(' ', ' '), ('\t', '\r')],
        _ => return Err(invalid("invalid character class")),
    })
}

type Then<'a> = dyn FnMut(usize, &mut u32) -> Result<bool, PgError> + 'a;

fn matches(
    sequence: &[(Re, u32, u32)],
    text: &[char],
    at: usize,
    fuel: &mut u32,
    then: &mut Then<'_>,
) -> Result<bool, PgError> {
    match sequence.split_first() {
        None => then(at, fuel),
        Some(((re, low, high), rest)) => repeat((re, *low, *high), rest, text, (at, 0), fuel, then),
    }
}

fn repeat(
    (re, low, high): (&Re, u32, u32),
    rest: &[(Re, u32, u32)],
    text: &[char],
    (at, count): (usize, u32),
    fuel: &mut u32,
    then: &mut Then<'_>,
) -> Result<bool, PgError> {
    *fuel = fuel
        .checked_sub(1)
        .ok_or_else(|| invalid("regular expression is too complex"))?;
    if count > 2000 {
        return Err(PgError::unsupported(
            "regular expression that repeats more than 2000 times",
        ));
    }
    if count < high {
        let more = one(re, text, at, fuel, &mut |end, fuel| {
            if end == at && count >= low {
                return Ok(false);
            }
            repeat((re, low, high), rest, text, (end, count + 1), fuel, then)
        })?;
        if more {
            return Ok(true);
        }
    }
    if count >= low {
        matches(rest, text, at, fuel, then)
    } else {
        Ok(false)
    }
}

fn one(re: &Re, text: &[char], at: usize, fuel: &mut u32, then: &mut Then<'_>) -> Result<bool, PgError> {
    let single = |hit: bool, fuel: &mut u32, then: &mut Then<'_>| {
        if hit { then(at + 1, fuel) } else { Ok(false) }
    };
    match (re, text.get(at)) {
        (Re::Start, _) => {
            if at == 0 {
                then(at, fuel)
            } else {
                Ok(false)
            }
        }
        (Re::End, next) => {
            if next.is_none() {
                then(at, fuel)
            } else {
                Ok(false)
            }
        }
        (Re::Group(alternatives), _) => {
            for sequence in alternatives {
                if matches(sequence, text, at, fuel, then)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (_, None) => Ok(false),
        (Re::Char(c), Some(found)) => single(c == found, fuel, then),
        (Re::Any, Some(_)) => single(true, fuel, then),
        (Re::Class(ranges, negated), Some(found)) => {
            let hit = ranges.iter().any(|(low, high)| (*low..=*high).contains(found));
            single(hit != *negated, fuel, then)
        }
    }
}
