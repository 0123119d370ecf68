//! A value in memory. It stays typed until it is written to the disk, so that a value that changes often is encoded
//! rarely, and reads of recent values parse nothing.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::store::Error;
use crate::store::shape::{self, Stored};

type Typed = Arc<dyn Any + Send + Sync>;
type Encode = fn(&(dyn Any + Send + Sync)) -> Result<Vec<u8>, Error>;

/// A value of the state, typed or encoded.
#[derive(Clone)]
pub(super) enum Held {
    Typed { value: Typed, encode: Encode },
    Encoded(Arc<[u8]>),
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typed { .. } => "Typed",
            Self::Encoded(_) => "Encoded",
        })
    }
}

fn encode<T: Stored>(value: &(dyn Any + Send + Sync)) -> Result<Vec<u8>, Error> {
    let value = value.downcast_ref::<T>();
    // Each typed value carries the function of its own type.
    value.map_or_else(|| Err(Error::Damaged("a value of the state has another type".to_owned())), shape::json)
}

impl Held {
    pub(super) fn typed<T: Stored>(value: Arc<T>) -> Self {
        Self::Typed { value, encode: encode::<T> }
    }

    pub(super) fn encoded(payload: Vec<u8>) -> Self {
        Self::Encoded(payload.into())
    }

    /// Returns the value as the disk holds it.
    pub(super) fn payload(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Typed { value, encode } => encode(&**value),
            Self::Encoded(payload) => Ok(payload.to_vec()),
        }
    }

    /// Returns the value; `None` if it has another shape.
    pub(super) fn read<T: Stored>(&self) -> Option<Arc<T>> {
        match self {
            Self::Typed { value, encode } => match Arc::clone(value).downcast() {
                Ok(value) => Some(value),
                // Written as another type with the same shape.
                Err(value) => shape::from_json(&encode(&*value).ok()?).map(Arc::new),
            },
            Self::Encoded(payload) => shape::from_json(payload).map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Held;

    #[test]
    fn a_value_is_read_as_any_type_of_its_shape() {
        let typed = Held::typed(Arc::new("a".to_owned()));
        assert_eq!(typed.read::<String>().as_deref().map(String::as_str), Some("a"));
        assert_eq!(typed.payload().unwrap(), b"\"a\"");
        assert_eq!(typed.read::<u64>(), None);
        let narrow = Held::typed(Arc::new(7_u32));
        assert_eq!(narrow.read::<u64>().as_deref(), Some(&7));
        assert_eq!(Held::encoded(b"9".to_vec()).read::<u64>().as_deref(), Some(&9));
    }
}
