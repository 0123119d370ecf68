//! Shapes of texts, numbers, times, lists and maps: plain JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use chrono::NaiveDate;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
use serde_json::Value;

#[cfg(test)]
use super::pinned::Shapes;
use super::{By, Stored};
use crate::model::{Fields, Timestamp};

/// Implements types of the language and of libraries, with the value that a record omits.
macro_rules! plain {
    ($($type:ty $(, nothing: $is:expr, $nothing:expr)?;)+) => { $(
        impl Stored for $type {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.serialize(to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::deserialize(from)
            }

            $(
            fn is_nothing(&self) -> bool {
                let is: fn(&Self) -> bool = $is;
                is(self)
            }

            fn nothing() -> Option<Self> {
                Some($nothing)
            }
            )?

            #[cfg(test)]
            fn describe(_: &mut Shapes) {}
        }
    )+ };
}

plain! {
    String, nothing: Self::is_empty, Self::new();
    Timestamp;
    NaiveDate;
    f64;
    bool, nothing: |value| !value, false;
    u8, nothing: |value| *value == 0, 0;
    u16, nothing: |value| *value == 0, 0;
    u32, nothing: |value| *value == 0, 0;
    u64, nothing: |value| *value == 0, 0;
    usize, nothing: |value| *value == 0, 0;
    i64, nothing: |value| *value == 0, 0;
    Value, nothing: Self::is_null, Self::Null;
    Fields, nothing: Self::is_empty, Self::new();
}

impl<T: Stored> Stored for Option<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => to.serialize_some(&By(value)),
            None => to.serialize_none(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<By<T>>::deserialize(from)?.map(|By(value)| value))
    }

    fn is_nothing(&self) -> bool {
        self.is_none()
    }

    fn nothing() -> Option<Self> {
        Some(None)
    }

    #[cfg(test)]
    fn describe(all: &mut Shapes) {
        T::describe(all);
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::write(self, to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(Self::new)
    }

    #[cfg(test)]
    fn describe(all: &mut Shapes) {
        T::describe(all);
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(By))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<By<T>>::deserialize(from)?.into_iter().map(|By(value)| value).collect())
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }

    fn nothing() -> Option<Self> {
        Some(Self::new())
    }

    #[cfg(test)]
    fn describe(all: &mut Shapes) {
        T::describe(all);
    }
}

impl<T: Stored + Ord> Stored for BTreeSet<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(By))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::read(from)?.into_iter().collect())
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }

    fn nothing() -> Option<Self> {
        Some(Self::new())
    }

    #[cfg(test)]
    fn describe(all: &mut Shapes) {
        T::describe(all);
    }
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter().map(|(key, value)| (By(key), By(value))))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Pairs(PhantomData))
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }

    fn nothing() -> Option<Self> {
        Some(Self::new())
    }

    #[cfg(test)]
    fn describe(all: &mut Shapes) {
        K::describe(all);
        V::describe(all);
    }
}

struct Pairs<K, V>(PhantomData<(K, V)>);

impl<'de, K: Stored + Ord, V: Stored> Visitor<'de> for Pairs<K, V> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some((By(key), By(value))) = from.next_entry()? {
            pairs.insert(key, value);
        }
        Ok(pairs)
    }
}

/// Implements tuples as lists of a fixed length.
macro_rules! tuple {
    ($($name:ident: $type:ident),+) => {
        impl<$($type: Stored),+> Stored for ($($type,)+) {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let ($($name,)+) = self;
                ($(By($name),)+).serialize(to)
            }

            fn read<'de, De: Deserializer<'de>>(from: De) -> Result<Self, De::Error> {
                let ($(By($name),)+) = serde::Deserialize::deserialize(from)?;
                Ok(($($name,)+))
            }

            #[cfg(test)]
            fn describe(all: &mut Shapes) {
                $($type::describe(all);)+
            }
        }
    };
}

tuple!(a: A, b: B);
tuple!(a: A, b: B, c: C);
