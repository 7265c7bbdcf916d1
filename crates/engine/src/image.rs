//! Images in what is said: they come with the request, and nothing is ever fetched for it.
//!
//! Invariant: the text of an [`Image`] is base64 of a file that begins as its media type says, within the bounds here.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use imagesize::ImageType;
use serde::{Deserialize, Serialize};

/// Bytes of one image's file.
pub const IMAGE_BYTES_MAX: usize = 5 << 20;
/// Images of one chat.
pub const IMAGES_MAX: usize = 20;
/// Points of the longer side.
const SIDE_MAX: usize = 8_000;
/// Where the first bytes of a file are shown.
const SHOWN_BYTES_MAX: usize = 32;

/// Points that are a token where images cost most by their size, and the least and the most that one is counted as.
const TOKEN_POINTS: usize = 750;
const TOKENS_LEAST: usize = 85;
const TOKENS_MOST: usize = 16_384;

/// Why an image is not taken. Texts carry nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is named by an address.
    #[error("an image comes with the request, as a `data:` URL: nothing is fetched for it")]
    Elsewhere,
    /// It is no data URL in base64 of a kind that is taken.
    #[error("an image is a `data:` URL in base64 of the type `image/png`, `image/jpeg`, `image/gif` or `image/webp`")]
    Form,
    /// Its bytes are no image of the type that it says.
    #[error("an image is not of the type that it says")]
    OtherType,
    /// It is too large.
    #[error("an image has at most 5 MiB and 8000 points a side")]
    TooLarge,
}

/// What an image's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Png,
    Jpeg,
    Gif,
    Webp,
}

impl Media {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp];

    fn name(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    fn is(self, kind: ImageType) -> bool {
        matches!(
            (self, kind),
            (Self::Png, ImageType::Png)
                | (Self::Jpeg, ImageType::Jpeg)
                | (Self::Gif, ImageType::Gif)
                | (Self::Webp, ImageType::Webp)
        )
    }
}

/// An image that was checked. Clones share its bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Image {
    media: Media,
    base64: Arc<str>,
    tokens: u32,
}

impl Image {
    /// Reads a `data:` URL (RFC 2397).
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn from_data_url(url: &str) -> Result<Self, ImageError> {
        let Some(rest) = strip_scheme(url) else {
            return Err(if url.contains("://") { ImageError::Elsewhere } else { ImageError::Form });
        };
        let (kind, base64) = rest.split_once(',').ok_or(ImageError::Form)?;
        let kind = kind.strip_suffix(";base64").ok_or(ImageError::Form)?;
        let media = Media::ALL.into_iter().find(|media| media.name().eq_ignore_ascii_case(kind));
        let media = media.ok_or(ImageError::Form)?;
        // Not a byte is decoded of what is too large.
        if base64.len() > IMAGE_BYTES_MAX.div_ceil(3) * 4 {
            return Err(ImageError::TooLarge);
        }
        let bytes = STANDARD.decode(base64).map_err(|_| ImageError::Form)?;
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::TooLarge);
        }
        let kind = imagesize::image_type(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]);
        let kind = kind.map_err(|_| ImageError::OtherType)?;
        let size = imagesize::blob_size(&bytes).map_err(|_| ImageError::OtherType)?;
        if !media.is(kind) || size.width == 0 || size.height == 0 {
            return Err(ImageError::OtherType);
        }
        if size.width.max(size.height) > SIDE_MAX {
            return Err(ImageError::TooLarge);
        }
        let tokens = (size.width * size.height).div_ceil(TOKEN_POINTS).clamp(TOKENS_LEAST, TOKENS_MOST);
        Ok(Self { media, base64: base64.into(), tokens: tokens as u32 })
    }

    /// Its media type: `image/png` and the like.
    pub fn media_type(&self) -> &'static str {
        self.media.name()
    }

    /// Its bytes in base64.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// It as a `data:` URL.
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type(), self.base64)
    }

    /// A guess of the tokens that a model makes of it, from its size in points.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }
}

impl TryFrom<String> for Image {
    type Error = ImageError;

    fn try_from(url: String) -> Result<Self, ImageError> {
        Self::from_data_url(&url)
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.data_url()
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {} bytes)", self.media_type(), self.base64.len())
    }
}

fn strip_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_at_checked(5)?;
    scheme.eq_ignore_ascii_case("data:").then_some(rest)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The head of a PNG of this size, which is all that is looked at.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x02\0\0\0\0\0\0\0");
        bytes
    }

    fn url(kind: &str, bytes: &[u8]) -> String {
        format!("data:{kind};base64,{}", STANDARD.encode(bytes))
    }

    /// An image of 30 by 20 points.
    pub(crate) fn image() -> Image {
        Image::from_data_url(&url("image/png", &png(30, 20))).unwrap()
    }

    #[test]
    fn an_image_that_comes_along_is_taken_and_counted_by_its_size() {
        for (width, height, tokens) in [(30, 20, 85), (1_000, 1_000, 1_334), (8_000, 8_000, 16_384)] {
            let given = url("image/png", &png(width, height));
            let image = Image::from_data_url(&given).unwrap();
            assert_eq!((image.data_url(), image.tokens()), (given, tokens));
        }
        let gif = Image::from_data_url(&url("IMAGE/GIF", b"GIF89a\x10\0\x10\0\0\0\0")).unwrap();
        assert_eq!(gif.media_type(), "image/gif");
        assert!(!format!("{gif:?}").contains(gif.base64()));
        let written = serde_json::to_string(&gif).unwrap();
        assert_eq!(serde_json::from_str::<Image>(&written).unwrap(), gif);
        assert!(serde_json::from_str::<Image>("\"https://elsewhere.example/a.png\"").is_err());
    }

    #[test]
    fn what_is_elsewhere_or_something_else_is_not() {
        let good = png(30, 20);
        let large = vec![0; IMAGE_BYTES_MAX + 1];
        for (given, expected) in [
            ("https://elsewhere.example/a.png".to_owned(), ImageError::Elsewhere),
            ("file:///etc/passwd".to_owned(), ImageError::Elsewhere),
            (String::new(), ImageError::Form),
            ("dat".to_owned(), ImageError::Form),
            ("데이터:image/png;base64,".to_owned(), ImageError::Form),
            ("data:image/png;base64".to_owned(), ImageError::Form),
            ("data:image/png,abc".to_owned(), ImageError::Form),
            (url("image/svg+xml", b"<svg onload='x'/>"), ImageError::Form),
            (url("text/html", &good), ImageError::Form),
            (url("image/png;charset=x", &good), ImageError::Form),
            ("data:image/png;base64,!!!!".to_owned(), ImageError::Form),
            ("data:image/png;base64,AAAA\nAAAA".to_owned(), ImageError::Form),
            (url("image/jpeg", &good), ImageError::OtherType),
            (url("image/png", b""), ImageError::OtherType),
            (url("image/png", b"%PDF-1.7"), ImageError::OtherType),
            (url("image/png", &good[..20]), ImageError::OtherType),
            (url("image/png", &png(0, 20)), ImageError::OtherType),
            (url("image/png", &png(8_001, 1)), ImageError::TooLarge),
            (url("image/png", &png(u32::MAX, u32::MAX)), ImageError::TooLarge),
            (url("image/png", &large), ImageError::TooLarge),
        ] {
            assert_eq!(Image::from_data_url(&given), Err(expected), "{given:.60}");
        }
    }

    const BEGINNINGS: [&[u8]; 6] =
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8L", b""];

    proptest! {
        #[test]
        fn whatever_follows_a_good_beginning_is_within_bounds_or_refused(
            (beginning, kind) in (0..BEGINNINGS.len(), 0..Media::ALL.len()),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [BEGINNINGS[beginning], &rest].concat();
            if let Ok(image) = Image::from_data_url(&url(Media::ALL[kind].name(), &bytes)) {
                prop_assert!((TOKENS_LEAST as u32..=TOKENS_MOST as u32).contains(&image.tokens()));
            }
        }

        #[test]
        fn any_text_is_an_image_or_an_error(text in "(data:)?(image/(png|gif))?(;base64)?,?[ -~가-힣]{0,40}") {
            let _ = Image::from_data_url(&text);
        }
    }
}
