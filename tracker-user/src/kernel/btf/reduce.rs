//! Cuts a kernel's type information (megabytes) down to what tracker looks up in it, so that the
//! layouts of real kernels can be tested anywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    sync::Arc,
};

use super::{
    Btf, KernelBtf,
    raw::{ARRAY, ENUM, ENUM64, FUNC, FUNC_PROTO, FWD, PTR, Record, STRUCT, UNION, word},
    writer::Writer,
};
use crate::kernel::Root;

const STRUCTS: &[&str] = &["nf_conn", "nf_ct_ext", "net"];
const ENUMS: &[&str] = &["nf_ct_ext_id", "tcp_conntrack", "sctp_conntrack"];
const FUNCTIONS: &[&str] = &[
    "__nf_conntrack_hash_insert",
    "__nf_conntrack_confirm",
    "nf_conntrack_hash_check_insert",
    "nf_ct_helper_destroy",
    "nf_ct_delete",
    "nf_conntrack_free",
    "nf_conntrack_tcp_packet",
    "nf_conntrack_udp_packet",
    "nf_conntrack_icmp_packet",
    "nf_conntrack_icmpv6_packet",
    "nf_conntrack_gre_packet",
    "nf_conntrack_sctp_packet",
    "__nf_ct_refresh_acct",
];
/// `struct net` holds most of the network stack.
const MEMBERS_OF_NET: &[&[u8]] = &[b"ns", b"ct"];

/// What to keep of a file and its base.
struct Kept<'a> {
    btf: &'a Btf,
    whole: BTreeSet<u32>,
    /// Only pointed at: the name is enough.
    named: BTreeSet<u32>,
}

impl<'a> Kept<'a> {
    fn of(btf: &'a Btf) -> Self {
        let mut kept = Self {
            btf,
            whole: BTreeSet::new(),
            named: BTreeSet::new(),
        };
        let kinds: [(&[u8], &[&str]); 3] = [
            (&[STRUCT], STRUCTS),
            (&[ENUM, ENUM64], ENUMS),
            (&[FUNC], FUNCTIONS),
        ];
        for (kinds, names) in kinds {
            for id in names.iter().flat_map(|name| btf.ids_of(kinds, name)) {
                kept.keep(id);
            }
        }
        kept.named.retain(|id| !kept.whole.contains(id));
        kept
    }

    fn keep(&mut self, id: u32) {
        if id == 0 || !self.whole.insert(id) {
            return;
        }
        let record = self.btf.record(id).unwrap();
        match record.kind {
            PTR => self.named.extend(self.pointee(record)),
            ARRAY => self.keep(word(record.tail, 0).unwrap()),
            FUNC_PROTO => record
                .items(8)
                .for_each(|item| self.keep(word(item, 4).unwrap())),
            _ if record.is_compound() => {
                for item in self.members(record) {
                    self.keep(word(item, 4).unwrap());
                }
            }
            kind if refers(kind) => self.keep(record.value),
            _ => (),
        }
    }

    fn members(&self, record: Record<'a>) -> Vec<&'a [u8]> {
        let is_net = self.btf.string(record.name) == Some(b"net");
        let wanted = |item: &&[u8]| {
            let name = self.btf.string(word(item, 0).unwrap()).unwrap();
            !is_net || MEMBERS_OF_NET.contains(&name)
        };
        record.items(12).filter(wanted).collect()
    }

    /// The struct or union that a pointer leads to; not where it leads to anything else.
    fn pointee(&self, pointer: Record<'_>) -> Option<u32> {
        let (id, record) = self.btf.unqualified(pointer.value)?;
        (matches!(record.kind, STRUCT | UNION | FWD) && record.name != 0).then_some(id)
    }

    /// Ids of the base, or those that are not.
    fn ids(&self, of_base: bool) -> impl Iterator<Item = u32> {
        let first = if self.btf.base.is_some() {
            self.btf.first_id
        } else {
            u32::MAX
        };
        let ids: BTreeSet<u32> = self.whole.union(&self.named).copied().collect();
        ids.into_iter().filter(move |&id| (id < first) == of_base)
    }

    fn write(&self, writer: &mut Writer, new: &BTreeMap<u32, u32>, id: u32) -> u32 {
        let record = self.btf.record(id).unwrap();
        let name = self.btf.text(record.name);
        let renumber = |id: u32| if id == 0 { 0 } else { new[&id] };
        if self.named.contains(&id) {
            return writer.add((FWD, record.kind == UNION), &name, 0, 0, &[]);
        }
        let mut tail: Vec<u32> = Vec::new();
        let mut value = record.value;
        let kept: Vec<&[u8]> = match record.kind {
            STRUCT | UNION => self.members(record),
            ENUM | FUNC_PROTO => record.items(8).collect(),
            ENUM64 => record.items(12).collect(),
            PTR => {
                value = self.pointee(record).map_or(0, renumber);
                Vec::new()
            }
            ARRAY => {
                tail.extend([renumber(word(record.tail, 0).unwrap()), 0]);
                tail.extend(word(record.tail, 8));
                Vec::new()
            }
            kind => {
                if refers(kind) {
                    value = renumber(value);
                }
                tail.extend(record.tail.chunks_exact(4).map(|it| word(it, 0).unwrap()));
                Vec::new()
            }
        };
        if record.kind == FUNC_PROTO {
            value = 0;
        }
        for item in &kept {
            let mut words = item.chunks_exact(4).map(|it| word(it, 0).unwrap());
            let item_name = self.btf.text(words.next().unwrap());
            tail.push(writer.name(&item_name));
            let has_type = record.is_compound() || record.kind == FUNC_PROTO;
            tail.extend(words.enumerate().map(|(at, it)| {
                if has_type && at == 0 {
                    renumber(it)
                } else {
                    it
                }
            }));
        }
        let count = u32::try_from(kept.len()).unwrap();
        writer.add((record.kind, record.flag), &name, count, value, &tail)
    }
}

/// The value of such a record is the id of another, which belongs to it.
fn refers(kind: u8) -> bool {
    use super::raw::{CONST, RESTRICT, TYPE_TAG, TYPEDEF, VOLATILE};
    matches!(
        kind,
        TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG | FUNC
    )
}

fn reduced(btf: &Btf) -> (Vec<u8>, Option<Vec<u8>>) {
    let kept = Kept::of(btf);
    let new: BTreeMap<u32, u32> = kept.ids(true).chain(kept.ids(false)).zip(1..).collect();
    let mut writer = Writer::new();
    kept.ids(true)
        .for_each(|id| assert_eq!(kept.write(&mut writer, &new, id), new[&id]));
    let base = writer.finish();
    if btf.base.is_none() {
        return (base, None);
    }
    let mut writer = Writer::after(&Btf::parse(None, base.clone()).unwrap());
    kept.ids(false)
        .for_each(|id| assert_eq!(kept.write(&mut writer, &new, id), new[&id]));
    (base, Some(writer.finish()))
}

/// `BTF_FROM=/ BTF_TO=tests/data/kernels/6.12 cargo test -p tracker-user --lib cut_down -- --ignored`
#[test]
#[ignore = "makes the files that the other tests read, from BTF_FROM (a root folder) into BTF_TO"]
fn cut_down() {
    let from = env::var("BTF_FROM").expect("BTF_FROM names a folder with sys/kernel/btf");
    let to = env::var("BTF_TO").expect("BTF_TO names a folder under tests/data/kernels");
    let btf = KernelBtf::open(&Root::at(from)).unwrap();
    let (kernel, module) = reduced(&btf);
    let folder = Path::new(&to).join("sys/kernel/btf");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("vmlinux"), kernel).unwrap();
    if let Some(module) = module {
        fs::write(folder.join("nf_conntrack"), module).unwrap();
    }
}

#[test]
fn what_was_cut_down_cannot_be_cut_down_further() {
    let btf = KernelBtf::open(&Root::of_test("6.12")).unwrap();
    let (kernel, module) = reduced(&btf);
    let again = Btf::parse(
        Some(Arc::new(Btf::parse(None, kernel).unwrap())),
        module.unwrap(),
    );
    assert_eq!(again.unwrap().end_id(), btf.end_id());
}
