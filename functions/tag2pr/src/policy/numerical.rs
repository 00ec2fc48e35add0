//! Numbers as Go's [`strconv.ParseFloat`] reads them, which is what [`policy/numerical.go`] calls.
//!
//! Wider than Rust's own: `1_000` (underscores between digits) and `0x1p4` are numbers. Narrower: `1e400` is an error,
//! not infinity. Above 2⁵³ neighbouring integers are one value, so timestamps of 17 and more digits can tie.
//!
//! [`strconv.ParseFloat`]: https://pkg.go.dev/strconv#ParseFloat
//! [`policy/numerical.go`]: https://github.com/fluxcd/image-reflector-controller/blob/main/internal/policy/numerical.go

use std::cmp::Ordering;

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotANumber {
    /// It does not look like one.
    Syntax,
    /// It does, but no float holds it: `1e400`.
    Range,
}

/// Reads a number.
pub(super) fn parse(text: &str) -> Result<f64, NotANumber> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal(rest)?,
        _ if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        _ if text.eq_ignore_ascii_case("nan") => f64::NAN,
        _ => decimal(unsigned)?,
    };
    Ok(if negative { -magnitude } else { magnitude })
}

/// Compares two numbers; NaN comes below every other, `-inf` included.
///
/// Flux replaces a NaN by whatever follows it in the list, so there, too, one wins only if it is alone. (A tag that
/// spells infinity and comes before one that spells NaN is the exception: there Flux forgets the infinity.)
pub(super) fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// `12.5e-3`, with underscores between digits.
fn decimal(text: &[u8]) -> Result<f64, NotANumber> {
    // Rust reads the same syntax but for underscores; it would also read a sign, `inf` and `nan`.
    if !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' | b'_'))
        || text.first().is_some_and(|b| matches!(b, b'+' | b'-'))
    {
        return Err(NotANumber::Syntax);
    }
    let text = std::str::from_utf8(text).map_err(|_| NotANumber::Syntax)?;
    let number: f64 = if text.contains('_') {
        if !underscores_separate_digits(text.as_bytes(), u8::is_ascii_digit) {
            return Err(NotANumber::Syntax);
        }
        text.replace('_', "").parse()
    } else {
        text.parse()
    }
    .map_err(|_| NotANumber::Syntax)?;
    finite(number)
}

fn underscores_separate_digits(text: &[u8], digit: fn(&u8) -> bool) -> bool {
    let digit_at = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(digit);
    text.iter().enumerate().all(|(at, b)| *b != b'_' || digit_at(at.checked_sub(1)) && digit_at(Some(at + 1)))
}

/// What follows `0x` in `0x1.8p3`; the exponent, a power of two, must be there.
fn hexadecimal(text: &[u8]) -> Result<f64, NotANumber> {
    let power = text.iter().position(|b| matches!(b, b'p' | b'P')).ok_or(NotANumber::Syntax)?;
    let exponent = power_of_two(&text[power + 1..])?;
    let mantissa = match &text[..power] {
        // An underscore may stand between the prefix and the first digit.
        [b'_', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
        all => all,
    };
    if !mantissa.iter().any(u8::is_ascii_hexdigit) || !underscores_separate_digits(mantissa, u8::is_ascii_hexdigit) {
        return Err(NotANumber::Syntax);
    }

    // The value is `bits` · 2^`scale`; digits that no longer fit only leave a trace, for rounding.
    let (mut bits, mut scale, mut trace, mut point) = (0_u64, exponent, false, false);
    for &b in mantissa {
        let digit = match b {
            b'_' => continue,
            b'.' if !point => {
                point = true;
                continue;
            }
            b => char::from(b).to_digit(16).ok_or(NotANumber::Syntax)?,
        };
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            scale -= if point { 4 } else { 0 };
        } else {
            trace |= digit != 0;
            scale += if point { 0 } else { 4 };
        }
    }
    nearest(bits, trace, scale)
}

/// `-3` in `0x1.8p-3`, cut to what is far beyond any float.
fn power_of_two(text: &[u8]) -> Result<i64, NotANumber> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        all => (1, all),
    };
    if digits.is_empty() || !underscores_separate_digits(digits, u8::is_ascii_digit) {
        return Err(NotANumber::Syntax);
    }
    let mut exponent = 0_i64;
    for b in digits.iter().filter(|b| **b != b'_') {
        let digit = char::from(*b).to_digit(10).ok_or(NotANumber::Syntax)?;
        exponent = (exponent * 10 + i64::from(digit)).min(1_000_000);
    }
    Ok(sign * exponent)
}

/// The float nearest to `bits` · 2^`scale`, halves to even; `trace` says that the true value is a little more.
fn nearest(bits: u64, trace: bool, scale: i64) -> Result<f64, NotANumber> {
    const SMALLEST: i64 = -1074; // the smallest float above zero is 2^-1074

    if bits == 0 {
        return Ok(0.0);
    }
    let shift = bits.leading_zeros();
    let (bits, scale) = (u128::from(bits << shift), scale - i64::from(shift));

    // 53 of the 64 bits are kept; fewer where the last one would stand for less than the smallest float.
    let dropped = (SMALLEST - scale).max(11);
    if dropped > 65 {
        return Ok(0.0);
    }
    let (rest, half) = (bits & ((1 << dropped) - 1), 1_u128 << (dropped - 1));
    let kept = (bits >> dropped) as u64;
    let kept = kept + u64::from(rest > half || rest == half && (trace || kept & 1 == 1));

    // The 53rd bit is not stored but adds one to the exponent, and so does a mantissa that was rounded up to 2^53.
    match scale + dropped - SMALLEST {
        exponent @ 0..2046 => finite(f64::from_bits(((exponent as u64) << 52) + kept)),
        _ => Err(NotANumber::Range),
    }
}

fn finite(number: f64) -> Result<f64, NotANumber> {
    if number.is_finite() { Ok(number) } else { Err(NotANumber::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_go_takes_for_numbers() {
        let table = [
            ("7", 7.0),
            ("007", 7.0),
            ("-3", -3.0),
            ("+4", 4.0),
            ("2.", 2.0),
            (".25", 0.25),
            ("2E3", 2000.0),
            ("1e-400", 0.0),
            ("10_000", 10_000.0),
            ("20260203_040506", 20_260_203_040_506.0),
            ("1e1_0", 1e10),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x1p5", 32.0),
            ("-0X.8p+1", -1.0),
            ("0x_aP0", 10.0),
            ("0x1p-1074", f64::from_bits(1)),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1074", f64::from_bits(2)),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000001p0", 1.0 + f64::EPSILON),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("9007199254740993", 9_007_199_254_740_992.0),
        ];
        for (text, number) in table {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
        assert!(parse("NaN").is_ok_and(f64::is_nan));
    }

    #[test]
    fn everything_else_is_no_number() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1-2",
            "20260203-040506",
            "v1",
            "1.2.3",
            " 1",
            "1 ",
            "1_",
            "_1",
            "1__0",
            "1_.5",
            "1e_5",
            "0x10",
            "0xp1",
            "0x_p1",
            "0x1_p1",
            "0x1p_1",
            "0x1.2.3p1",
            "0x_.8p1",
            "0x1p",
            "0b1",
            "+nan",
            "-nan",
            "infi",
            "+-1",
            "١",
        ] {
            assert_eq!(parse(text), Err(NotANumber::Syntax), "{text}");
        }
        for text in ["1e400", "-1e400", "12e4567", "0x1p1024", "0x1.fffffffffffff8p1023", "0x1p9999999999"] {
            assert_eq!(parse(text), Err(NotANumber::Range), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_comes_last() {
        assert_eq!(compare(f64::NAN, f64::NEG_INFINITY), Ordering::Less);
        assert_eq!(compare(1.0, f64::NAN), Ordering::Greater);
        assert_eq!(compare(f64::NAN, f64::NAN), Ordering::Equal);
        assert_eq!(compare(0.0, -0.0), Ordering::Equal);
    }
}
