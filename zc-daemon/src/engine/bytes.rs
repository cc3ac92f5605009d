//! Amounts of bytes, as people write and read them.

use std::{fmt, str::FromStr};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, de};

/// An amount of bytes: `4096`, `64KiB`, `1.5 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("{text:?} is no amount of bytes; write 4096, 64KiB or 1MB");
        text.parse::<ByteSize>().map(|size| Self(size.as_u64())).map_err(wrong)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize::b(self.0).display().iec().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an amount of bytes: 4096, \"64KiB\" or \"1MB\"")]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(from)? {
            Form::Number(bytes) => Ok(Self(bytes)),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let parse = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("64KiB"), Ok(65536));
        assert_eq!(parse("1.5 MB"), Ok(1_500_000));
        for wrong in ["", "-1", "many", "1 parsec"] {
            assert!(parse(wrong).unwrap_err().contains("no amount of bytes"), "{wrong}");
        }
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(64 << 20).to_string(), "64.0 MiB");
    }
}
