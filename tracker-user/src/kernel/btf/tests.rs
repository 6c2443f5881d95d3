use std::sync::Arc;

use proptest::prelude::*;

use super::{
    raw::{ENUM, ENUM64, FUNC, FUNC_PROTO, PTR, STRUCT, TYPEDEF, UNION, VOLATILE},
    writer::Writer,
    *,
};
use crate::kernel::{Root, collector::adapts};

/// ```c
/// typedef struct { u8 state; u8 seen[2]; } tcp_t;
/// struct entry { volatile u32 timeout; union { tcp_t tcp; u32 raw[3]; }; u32 low:3, high:5; };
/// enum id { A = -1, B = 6 };  enum big : u64 { C = 1 << 40 };
/// void f(struct entry *e, u32 n);
/// ```
fn kernel() -> Writer {
    let mut writer = Writer::new();
    let byte = writer.int("u8", 1);
    let word = writer.int("u32", 4);
    let pair = writer.array(byte, 2);
    let tcp = writer.structure("", false, 3, &[("state", byte, 0), ("seen", pair, 8)]);
    let tcp_t = writer.add((TYPEDEF, false), "tcp_t", 0, tcp, &[]);
    let raw = writer.array(word, 3);
    let volatile = writer.add((VOLATILE, false), "", 0, word, &[]);
    let names = [writer.name("tcp"), writer.name("raw")];
    let union = writer.add(
        (UNION, false),
        "",
        2,
        12,
        &[names[0], tcp_t, 0, names[1], raw, 0],
    );
    let low = ("low", word, 3 << 24 | 128);
    let high = ("high", word, 5 << 24 | 131);
    let members = [("timeout", volatile, 0), ("", union, 32), low, high];
    let entry = writer.structure("entry", true, 20, &members);
    let names = [writer.name("A"), writer.name("B"), writer.name("C")];
    writer.add((ENUM, true), "id", 2, 4, &[names[0], u32::MAX, names[1], 6]);
    writer.add((ENUM64, false), "big", 1, 8, &[names[2], 0, 1 << 8]);
    let pointer = writer.add((PTR, false), "", 0, entry, &[]);
    let names = [writer.name("e"), writer.name("n")];
    let proto = writer.add(
        (FUNC_PROTO, false),
        "",
        2,
        0,
        &[names[0], pointer, names[1], word],
    );
    writer.add((FUNC, false), "f", 0, proto, &[]);
    writer
}

fn parsed() -> Btf {
    Btf::parse(None, kernel().finish()).unwrap()
}

#[test]
fn paths_go_through_typedefs_arrays_and_anonymous_members() {
    let btf = parsed();
    assert_eq!(btf.size_of("entry").unwrap(), 20);
    assert_eq!(btf.offset_of("entry", "timeout").unwrap(), 0);
    assert_eq!(btf.offset_of("entry", "tcp.state").unwrap(), 4);
    assert_eq!(btf.offset_of("entry", "tcp.seen[1]").unwrap(), 6);
    assert_eq!(btf.offset_of("entry", "raw[2]").unwrap(), 12);
}

#[test]
fn sizes_and_lengths_of_members_are_known() {
    let btf = parsed();
    let entry = btf.structure("entry").unwrap();
    assert_eq!(
        entry.field("raw").unwrap(),
        Field {
            bit: 32,
            bits: 96,
            elements: Some(3)
        }
    );
    assert_eq!(entry.field("tcp").unwrap().bytes(), Some(3));
    assert_eq!(
        entry.field("high").unwrap(),
        Field {
            bit: 131,
            bits: 5,
            elements: None
        }
    );
}

#[test]
fn what_is_missing_is_named() {
    let btf = parsed();
    let say = |error: BtfError| error.to_string();
    assert!(say(btf.offset_of("nf_conn", "x").unwrap_err()).contains("no struct nf_conn"));
    for path in [
        "tcp.nothing",
        "raw[3]",
        "timeout[0]",
        "timeout.x",
        "",
        "raw[x]",
        "raw[0",
    ] {
        let error = say(btf.offset_of("entry", path).unwrap_err());
        assert!(
            error.contains(&format!("struct entry has no member {path}")),
            "{error}"
        );
    }
    assert!(say(btf.offset_of("entry", "low").unwrap_err()).contains("is a bit field"));
    assert!(say(btf.enum_value("id", "Z").unwrap_err()).contains("enum id has no Z"));
    assert!(say(btf.function("g").unwrap_err()).contains("no function g()"));
}

#[test]
fn a_collector_that_goes_by_timeouts_keeps_their_mean() {
    let with = |member: &str| {
        let mut writer = Writer::new();
        let word = writer.int("u32", 4);
        writer.structure("conntrack_gc_work", false, 4, &[(member, word, 0)]);
        adapts(&Btf::parse(None, writer.finish()).unwrap())
    };
    assert_eq!(with("avg_timeout"), Some(true));
    assert_eq!(with("next_gc_run"), Some(false));
    assert_eq!(adapts(&parsed()), None);
}

#[test]
fn enums_of_both_widths_have_values() {
    let btf = parsed();
    assert_eq!(btf.enum_value("id", "A").unwrap(), -1);
    assert_eq!(btf.enum_value("id", "B").unwrap(), 6);
    assert_eq!(btf.enum_value("big", "C").unwrap(), 1 << 40);
}

#[test]
fn functions_have_named_and_typed_parameters() {
    let params = parsed().function("f").unwrap();
    let names: Vec<_> = params
        .iter()
        .map(|it| (&*it.name, &*it.type_name))
        .collect();
    assert_eq!(names, [("e", "struct entry *"), ("n", "u32")]);
}

#[test]
fn a_module_continues_its_base_and_does_not_hide_it() {
    let base = Arc::new(parsed());
    let mut writer = Writer::after(&base);
    let is_byte = |it: Record<'_>| it.kind == raw::INT && base.string(it.name) == Some(b"u8");
    let byte = (1..base.end_id())
        .find(|&id| base.record(id).is_some_and(is_byte))
        .unwrap();
    writer.structure("entry", false, 1, &[("only_here", byte, 0)]);
    let own = writer.structure("own", false, 2, &[("b", byte, 8)]);
    let timeout = base.record(base.ids_of(&[STRUCT], "entry")[0]).unwrap();
    let shared_name = word(timeout.tail, 0).unwrap();
    writer.add((STRUCT, false), "other", 1, 4, &[shared_name, own, 0]);
    let module = Btf::parse(Some(base), writer.finish()).unwrap();
    assert_eq!(module.size_of("entry").unwrap(), 20);
    assert_eq!(module.offset_of("entry", "only_here").unwrap(), 0);
    assert_eq!(module.offset_of("own", "b").unwrap(), 1);
    assert_eq!(module.offset_of("other", "timeout.b").unwrap(), 1);
}

#[test]
fn other_files_are_refused() {
    let error = |bytes: &[u8]| Btf::parse(None, bytes.to_vec()).unwrap_err().to_string();
    assert!(error(b"").contains("does not begin with the mark"));
    assert!(error(b"\x7fELF").contains("does not begin with the mark"));
    assert!(error(&[0xeb, 0x9f, 0, 1]).contains("does not begin with the mark"));
    assert!(error(&[0x9f, 0xeb, 2, 0]).contains("version"));
    assert!(error(&[0x9f, 0xeb, 1, 0]).contains("header"));
    let mut short = kernel().finish();
    short.pop();
    assert!(error(&short).contains("strings are cut off"));
}

#[test]
fn types_that_contain_themselves_end() {
    let mut writer = Writer::new();
    writer.structure("loop", false, 8, &[("", 1, 0), ("", 1, 0), ("", 1, 0)]);
    writer.add((TYPEDEF, false), "t", 0, 2, &[]);
    writer.structure("s", false, 8, &[("t", 2, 0)]);
    writer.array(4, 3);
    writer.structure("a", false, 8, &[("a", 4, 0)]);
    let btf = Btf::parse(None, writer.finish()).unwrap();
    assert!(btf.offset_of("loop", "x").is_err());
    assert!(btf.offset_of("s", "t.x").is_err());
    assert!(btf.offset_of("s", "t").is_err());
    assert!(btf.offset_of("a", "a").is_err());
}

/// Asks for everything; only the absence of panics counts.
fn ask(btf: &Btf) {
    for (name, path) in [
        ("nf_conn", "proto.tcp.seen[1].flags"),
        ("nf_conn", "tuplehash[0].tuple.dst.u.all"),
        ("net", "ct.nf_ct_proto.sctp.timeouts[9]"),
        ("nf_ct_ext", "offset[6]"),
    ] {
        let _ = btf.offset_of(name, path);
        let _ = btf.structure(name).map(|it| it.field("nothing").is_ok());
    }
    let _ = btf.enum_value("nf_ct_ext_id", "NF_CT_EXT_TIMEOUT");
    let _ = btf.function("nf_conntrack_tcp_packet");
    for id in 0..btf.end_id() {
        btf.text(btf.record(id).map_or(0, |it| it.name));
    }
}

fn file(name: &str) -> Vec<u8> {
    Root::of_test("6.18")
        .bytes(format!("sys/kernel/btf/{name}"))
        .unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Btf::parse(None, bytes).map(|btf| ask(&btf));
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in prop::option::of(any::<prop::sample::Index>()),
        in_module: bool,
    ) {
        let mut files = [file("vmlinux"), file("nf_conntrack")];
        let target = &mut files[usize::from(in_module)];
        for (at, byte) in damage {
            let at = at.index(target.len());
            target[at] = byte;
        }
        if let Some(cut) = cut {
            target.truncate(cut.index(target.len()));
        }
        let [kernel, module] = files;
        if let Ok(kernel) = Btf::parse(None, kernel) {
            ask(&kernel);
            let _ = Btf::parse(Some(Arc::new(kernel)), module).map(|btf| ask(&btf));
        }
    }
}
