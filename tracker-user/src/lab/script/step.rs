//! The steps of a script, as a scenario's file gives them.

use serde::{Deserialize, Deserializer, de};
use tracker_common::Proto;

use crate::lab::packet::Side;
use crate::lab::scenario::{Number, Seconds, Spread};

/// A step with its place in the file.
pub type Placed = toml::Spanned<Step>;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Opens it.
    Client,
    /// Answers.
    Server,
}

impl From<End> for Side {
    fn from(end: End) -> Self {
        match end {
            End::Client => Self::Client,
            End::Server => Self::Server,
        }
    }
}

/// How both ends finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// FIN, its ACK, the other FIN, its ACK.
    Four,
    /// FIN, FIN with ACK, ACK.
    Three,
    /// Both FINs at once, then both ACKs.
    Crossing,
}

/// A way that a script may go on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// How often it is gone, compared with the others.
    pub weight: f64,
    /// What is done then.
    pub script: Vec<Placed>,
}

/// A step. In a file it is a table of one key, `{ send = { from = "server", bytes = 500 } }`, or
/// only the name if it is to be as usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Step(pub Do);

/// What a step does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Do {
    /// SYN, SYN/ACK, ACK. After `TIME_WAIT` it opens the connection again; on an open one it does
    /// nothing.
    Handshake {},
    /// A SYN, repeated after `first`, twice that time, and so on. Nobody answers.
    Unanswered {
        /// How often it is repeated.
        #[serde(default = "none")]
        retransmits: Spread<Number>,
        /// Until the first repetition.
        #[serde(default = "second")]
        first: Spread<Seconds>,
    },
    /// A SYN, answered by a reset.
    Refused {},
    /// A SYN and its answer, which is repeated since nobody acknowledges it.
    HalfOpen {
        /// How often the answer is repeated.
        #[serde(default = "none")]
        retransmits: Spread<Number>,
        /// Until the first repetition.
        #[serde(default = "second")]
        first: Spread<Seconds>,
    },
    /// Data of the client, and the server's in answer.
    Request {
        /// Bytes of the client.
        #[serde(default = "little")]
        bytes: Spread<Number>,
        /// Bytes of the server.
        #[serde(default = "little")]
        response: Spread<Number>,
        /// How long the server thinks.
        #[serde(default = "at_once")]
        think: Spread<Seconds>,
    },
    /// Data of one end.
    Send {
        /// Who sends.
        from: End,
        /// How many bytes.
        #[serde(default = "little")]
        bytes: Spread<Number>,
        /// The other end acknowledges it.
        #[serde(default = "yes")]
        acknowledged: bool,
    },
    /// A segment of data, repeated after `first`, twice that time, and so on.
    Retransmit {
        /// Who sends.
        from: End,
        /// How often it is repeated.
        times: Spread<Number>,
        /// Until the first repetition.
        #[serde(default = "fifth")]
        first: Spread<Seconds>,
        /// The last one is acknowledged.
        #[serde(default = "yes")]
        acknowledged: bool,
    },
    /// One end closes its window on the other's data; the other asks from time to time.
    ZeroWindow {
        /// Who closes its window.
        by: End,
        /// How often it is asked.
        #[serde(default = "none")]
        probes: Spread<Number>,
        /// Time before each question, and before the window opens.
        #[serde(default = "second")]
        every: Spread<Seconds>,
        /// It opens again.
        #[serde(default = "yes")]
        opens: bool,
    },
    /// A keepalive probe.
    Keepalive {
        /// Who asks.
        #[serde(default = "client")]
        from: End,
        /// The other end answers.
        #[serde(default = "yes")]
        answered: bool,
    },
    /// One end has no more to send.
    Fin {
        /// Which one.
        #[serde(default = "client")]
        by: End,
        /// The other end acknowledges it.
        #[serde(default = "yes")]
        acknowledged: bool,
    },
    /// Both ends finish.
    Close {
        /// Who begins.
        #[serde(default = "client")]
        by: End,
        /// In which order.
        #[serde(default = "four")]
        way: Way,
    },
    /// A reset.
    Reset {
        /// Whose.
        #[serde(default = "client")]
        by: End,
    },
    /// A bare ACK of the client, as of a connection whose entry is gone.
    Pickup {
        /// The server answers.
        #[serde(default = "yes")]
        answered: bool,
    },
    /// A bare ACK that comes late.
    Late {
        /// Who sends it.
        #[serde(default = "client")]
        from: End,
    },
    /// A datagram.
    Datagram {
        /// Who sends it.
        #[serde(default = "client")]
        from: End,
        /// How many bytes.
        #[serde(default = "little")]
        bytes: Spread<Number>,
    },
    /// A datagram of the client and one of the server.
    Exchange {
        /// Bytes of the client.
        #[serde(default = "little")]
        bytes: Spread<Number>,
        /// Bytes of the server.
        #[serde(default = "little")]
        response: Spread<Number>,
        /// How long the server thinks.
        #[serde(default = "at_once")]
        think: Spread<Seconds>,
    },
    /// Datagrams of one end, one after the other.
    Stream {
        /// Who sends.
        from: End,
        /// How many.
        count: Spread<Number>,
        /// Time between two.
        every: Spread<Seconds>,
        /// Bytes of each.
        #[serde(default = "little")]
        bytes: Spread<Number>,
    },
    /// An echo request.
    Echo {
        /// Bytes of data.
        #[serde(default = "little")]
        bytes: Spread<Number>,
        /// The server replies.
        #[serde(default = "yes")]
        answered: bool,
    },
    /// Data, or datagrams, or echoes, from time to time: the first at once, the last at the end.
    Talk {
        /// For how long.
        lasts: Spread<Seconds>,
        /// The longest pause; the others are as long, or a little shorter to come out even.
        pause: Spread<Seconds>,
        /// Bytes of each end.
        #[serde(default = "little")]
        bytes: Spread<Number>,
        /// The server answers.
        #[serde(default = "yes")]
        answered: bool,
    },
    /// Nothing for a while.
    Pause(Spread<Seconds>),
    /// Steps, again and again.
    Repeat {
        /// How often.
        times: Spread<Number>,
        /// The steps.
        script: Vec<Placed>,
    },
    /// One of several ways to go on.
    Choose(Vec<Branch>),
    /// Both ends are gone without a word.
    Vanish {},
}

fn second() -> Spread<Seconds> {
    Spread::constant(1.0)
}

fn fifth() -> Spread<Seconds> {
    Spread::constant(0.2)
}

fn at_once() -> Spread<Seconds> {
    Spread::constant(0.0)
}

fn little() -> Spread<Number> {
    Spread::constant(100.0)
}

fn none() -> Spread<Number> {
    Spread::constant(0.0)
}

fn yes() -> bool {
    true
}

fn client() -> End {
    End::Client
}

fn four() -> Way {
    Way::Four
}

impl Do {
    /// The protocol that has this step, if only one has.
    #[must_use]
    pub const fn proto(&self) -> Option<Proto> {
        match self {
            Self::Talk { .. }
            | Self::Pause(_)
            | Self::Repeat { .. }
            | Self::Choose(_)
            | Self::Vanish {} => None,
            Self::Datagram { .. } | Self::Exchange { .. } | Self::Stream { .. } => Some(Proto::Udp),
            Self::Echo { .. } => Some(Proto::Icmp),
            _ => Some(Proto::Tcp),
        }
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor).map(Self)
    }
}

struct StepVisitor;

impl<'de> de::Visitor<'de> for StepVisitor {
    type Value = Do;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a step: its name, or a table { name = … }")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Do, E> {
        Do::deserialize(Bare(name, std::marker::PhantomData))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Do, A::Error> {
        let step = Do::deserialize(de::value::MapAccessDeserializer::new(&mut map))?;
        match map.next_key::<String>()? {
            None => Ok(step),
            Some(second) => {
                let _: de::IgnoredAny = map.next_value()?;
                Err(de::Error::custom(format!(
                    "`{second}` is a second step in the table of one"
                )))
            }
        }
    }
}

/// A step of which only the name is given: all its fields are as usual.
struct Bare<'a, E>(&'a str, std::marker::PhantomData<E>);

impl<'de, E: de::Error> Deserializer<'de> for Bare<'_, E> {
    type Error = E;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de, E: de::Error> de::EnumAccess<'de> for Bare<'_, E> {
    type Error = E;
    type Variant = Self;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), E> {
        let name = de::value::StrDeserializer::<E>::new(self.0);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de, E: de::Error> de::VariantAccess<'de> for Bare<'_, E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, E> {
        let name = self.0;
        Err(E::custom(format!(
            "`{name}` needs a value: {{ {name} = … }}"
        )))
    }

    fn tuple_variant<V: de::Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, E> {
        Err(E::custom(format!("`{}` needs a value", self.0)))
    }

    fn struct_variant<V: de::Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        let none = std::iter::empty::<(&str, &str)>();
        visitor.visit_map(de::value::MapDeserializer::new(none))
    }
}
