//! Signatures of functions.

use super::{
    Btf, BtfError, MAX_CHAIN,
    raw::{
        ARRAY, CONST, ENUM, ENUM64, FUNC, FUNC_PROTO, FWD, PTR, RESTRICT, STRUCT, TYPE_TAG, UNION,
        VOLATILE, word,
    },
};

/// A parameter of a function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type as in C, without qualifiers: `struct nf_conn *`.
    pub type_name: String,
}

/// Where a function's type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionId {
    /// Number of the type.
    pub id: u32,
    /// It is in the module's type information, not in the kernel's own.
    pub in_module: bool,
}

impl Btf {
    /// Number of a function's type.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<FunctionId> {
        let id = self.ids_of(&[FUNC], name).into_iter().next()?;
        Some(FunctionId {
            id,
            in_module: self.base.is_some() && id >= self.first_id,
        })
    }

    /// Number of a struct's type in the kernel's own information, where that has it.
    #[must_use]
    pub fn kernel_struct(&self, name: &str) -> Option<u32> {
        let id = self.ids_of(&[STRUCT], name).into_iter().next()?;
        (self.base.is_none() || id < self.first_id).then_some(id)
    }

    /// Parameters of a function.
    ///
    /// # Errors
    /// [`BtfError::NoType`] when the function is not described: static functions that were inlined
    /// are not, nor is any function of a module in a kernel before 5.11.
    pub fn function(&self, name: &str) -> Result<Vec<Param>, BtfError> {
        self.ids_of(&[FUNC], name)
            .into_iter()
            .find_map(|id| self.params(self.record(id)?.value))
            .ok_or_else(|| BtfError::NoType {
                name: format!("function {name}()"),
            })
    }

    /// Type of a function's first argument, as in C: `Some(None)` if it has none, `None` if it is not described.
    #[must_use]
    pub fn first_argument(&self, function: &str) -> Option<Option<String>> {
        let parameters = self.function(function).ok()?;
        Some(parameters.into_iter().next().map(|first| first.type_name))
    }

    fn params(&self, proto: u32) -> Option<Vec<Param>> {
        let record = self.record(proto)?;
        if record.kind != FUNC_PROTO {
            return None;
        }
        let param = |item: &[u8]| {
            let (name, id) = (word(item, 0)?, word(item, 4)?);
            Some(Param {
                name: self.text(name),
                type_name: self.type_name(id),
            })
        };
        record.items(8).map(param).collect()
    }

    fn type_name(&self, id: u32) -> String {
        let mut id = id;
        let mut stars = String::new();
        for _ in 0..MAX_CHAIN {
            let Some(record) = self.record(id) else { break };
            let keyword = match record.kind {
                VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                    id = record.value;
                    continue;
                }
                PTR => {
                    stars.push('*');
                    id = record.value;
                    continue;
                }
                ARRAY => "array",
                FUNC_PROTO => "function",
                0 => "void",
                STRUCT => "struct ",
                FWD if !record.flag => "struct ",
                UNION | FWD => "union ",
                ENUM | ENUM64 => "enum ",
                _ => "",
            };
            let space = if stars.is_empty() { "" } else { " " };
            return format!("{keyword}{}{space}{stars}", self.text(record.name));
        }
        "?".to_owned()
    }
}
