//! Generates reading and writing from a table. The tables destructure and build their types field by field, which makes
//! a missing field a compile error. Values are written without a copy.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Stored;

/// Wraps a value for serde, by its shape.
#[derive(Debug)]
pub(in crate::store) struct By<T>(pub(in crate::store) T);

impl<T: Stored> Serialize for By<&T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, T: Stored> Deserialize<'de> for By<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(Self)
    }
}

/// A member of a record. An empty value is omitted and read back as empty.
#[derive(Debug)]
pub(in crate::store) struct Member<T>(pub(in crate::store) T);

impl<T: Stored> Member<&T> {
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_nothing()
    }
}

impl<T: Stored> Serialize for Member<&T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, T: Stored> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Serde reads a missing member as an option without a value.
        from.deserialize_option(OrNothing(PhantomData))
    }
}

struct OrNothing<T>(PhantomData<T>);

impl<'de, T: Stored> Visitor<'de> for OrNothing<T> {
    type Value = Member<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member of a record")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Member<T>, E> {
        T::nothing().map(Member).ok_or_else(|| E::custom("a member is missing"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Member<T>, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Member<T>, D::Error> {
        T::read(from).map(Member)
    }
}

/// Implements a struct: `"name on disk" => field: Type`. Fields after `never` are not written.
macro_rules! record {
    (
        $shape:literal: $type:ty { $($name:literal => $field:ident: $of:ty),+ $(,)? }
        $(never { $($never:ident),+ })?
    ) => {
        impl $crate::store::shape::Stored for $type {
            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                #[derive(serde::Serialize)]
                struct ToDisk<'a> {
                    $(#[serde(rename = $name, skip_serializing_if = "crate::store::shape::Member::is_nothing")]
                    $field: $crate::store::shape::Member<&'a $of>,)+
                }
                let Self { $($field,)+ $($($never: _,)+)? } = self;
                let written = ToDisk { $($field: $crate::store::shape::Member($field),)+ };
                serde::Serialize::serialize(&written, to)
            }

            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct FromDisk {
                    $(#[serde(rename = $name)] $field: $crate::store::shape::Member<$of>,)+
                }
                let FromDisk { $($field,)+ } = serde::Deserialize::deserialize(from)?;
                Ok(Self { $($field: $field.0,)+ $($($never: Default::default(),)+)? })
            }

            #[cfg(test)]
            fn describe(all: &mut $crate::store::shape::pinned::Shapes) {
                if all.add::<Self>($shape, &[$($name),+]) {
                    $(<$of as $crate::store::shape::Stored>::describe(all);)+
                }
            }
        }
    };
}

/// Destructures and builds the variant of a `choice!` row.
macro_rules! variant {
    ([] $variant:ident $($members:tt)*) => { Self::$variant $($members)* };
    ([$($nested:tt)+] $($flat:tt)*) => { $($nested)+ };
}

/// Implements an enum: `"word on disk" => Variant`, with a value as `(it: Type)` or with members as in a record. A row
/// may name a nested variant, as a pattern of the members: `"word on disk" => Name as [Self::Outer(..)] {...}`.
macro_rules! choice {
    (
        $shape:literal: $type:ty { $(
            $word:literal => $variant:ident
            $(as [$($nested:tt)+])?
            $(($it:ident: $inner:ty))?
            $({ $($name:literal => $field:ident: $of:ty),+ $(,)? })?
        ),+ $(,)? }
    ) => {
        impl $crate::store::shape::Stored for $type {
            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                #[derive(serde::Serialize)]
                enum ToDisk<'a> { $(
                    #[serde(rename = $word)]
                    $variant
                    $(($crate::store::shape::By<&'a $inner>))?
                    $({
                        $(#[serde(rename = $name, skip_serializing_if = "crate::store::shape::Member::is_nothing")]
                        $field: $crate::store::shape::Member<&'a $of>,)+
                    })?,
                )+ }
                let written = match self { $(
                    $crate::store::shape::table::variant!(
                        [$($($nested)+)?] $variant $(($it))? $({ $($field),+ })?
                    ) => {
                        ToDisk::$variant
                            $(($crate::store::shape::By($it)))?
                            $({ $($field: $crate::store::shape::Member($field)),+ })?
                    }
                )+ };
                serde::Serialize::serialize(&written, to)
            }

            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
                enum FromDisk { $(
                    #[serde(rename = $word)]
                    $variant
                    $(($crate::store::shape::By<$inner>))?
                    $({ $(#[serde(rename = $name)] $field: $crate::store::shape::Member<$of>,)+ })?,
                )+ }
                Ok(match serde::Deserialize::deserialize(from)? { $(
                    FromDisk::$variant
                        $(($crate::store::shape::By($it)))?
                        $({ $($field: $crate::store::shape::Member($field)),+ })?
                    => $crate::store::shape::table::variant!(
                        [$($($nested)+)?] $variant $(($it))? $({ $($field),+ })?
                    ),
                )+ })
            }

            #[cfg(test)]
            fn describe(all: &mut $crate::store::shape::pinned::Shapes) {
                let names = [$($word, $($(concat!($word, ".", $name),)+)?)+];
                if all.add::<Self>($shape, &names) {
                    $($(<$inner as $crate::store::shape::Stored>::describe(all);)?)+
                    $($($(<$of as $crate::store::shape::Stored>::describe(all);)+)?)+
                }
            }
        }
    };
}

/// Implements an enum without values: `"word on disk" => Variant`.
macro_rules! words {
    ($shape:literal: $type:ty { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl $crate::store::shape::Stored for $type {
            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(match self { $(Self::$variant => $word,)+ })
            }

            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                enum FromDisk { $(#[serde(rename = $word)] $variant,)+ }
                Ok(match serde::Deserialize::deserialize(from)? { $(FromDisk::$variant => Self::$variant,)+ })
            }

            #[cfg(test)]
            fn describe(all: &mut $crate::store::shape::pinned::Shapes) {
                all.add::<Self>($shape, &[$($word),+]);
            }
        }
    };
}

/// Implements a newtype, written as its inner value.
macro_rules! wrapped {
    ($($type:ident($of:ty)),+ $(,)?) => { $(
        impl $crate::store::shape::Stored for $type {
            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let Self(it) = self;
                <$of as $crate::store::shape::Stored>::write(it, to)
            }

            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <$of as $crate::store::shape::Stored>::read(from).map(Self)
            }

            #[cfg(test)]
            fn describe(_: &mut $crate::store::shape::pinned::Shapes) {}
        }
    )+ };
}

pub(super) use {choice, record, variant, words, wrapped};
