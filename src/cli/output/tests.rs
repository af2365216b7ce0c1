use super::*;

fn table() -> Table {
    let mut table =
        Table::new([Column::text("TOPIC"), Column::number("PARTITIONS"), Column::text("ID").wide()], "no topics");
    for (name, partitions, mood) in [("orders", 3, Mood::Good), ("p", 12, Mood::Plain)] {
        let doc = Doc::map([("name", Doc::from(name)), ("partitions", Doc::from(partitions))]);
        table.push(name, [Cell::mood(name, mood), partitions.into(), "x\ty".into()], doc);
    }
    table
}

#[test]
fn a_list_takes_every_form() {
    let answer = Answer::Rows(table());
    let terminal = Look { terminal: true, colour: false };
    let aligned = "TOPIC     PARTITIONS\n✓ orders           3\np                 12\n";
    assert_eq!(answer.render(Format::Auto, terminal), aligned);
    assert_eq!(answer.render(Format::Table, Look::PLAIN), aligned);
    assert_eq!(answer.render(Format::Auto, Look::PLAIN), "orders\t3\np\t12\n");
    assert!(answer.render(Format::Wide, terminal).starts_with("TOPIC     PARTITIONS  ID\n"));
    assert_eq!(answer.render(Format::Name, terminal), "orders\np\n");
    assert_eq!(
        answer.render(Format::Jsonl, terminal),
        "{\"name\":\"orders\",\"partitions\":3}\n{\"name\":\"p\",\"partitions\":12}\n"
    );
    assert!(answer.render(Format::Json, terminal).starts_with("[\n  {\n    \"name\": \"orders\",\n"));
    assert_eq!(answer.render(Format::Yaml, terminal), "- name: orders\n  partitions: 3\n- name: p\n  partitions: 12\n");
}

#[test]
fn colours_surround_the_text_and_never_shift_a_column() {
    let coloured = table().aligned(false, Look { terminal: true, colour: true });
    assert!(coloured.contains("\u{1b}[32m✓ orders\u{1b}[0m           3\n"), "{coloured:?}");
}

#[test]
fn nothing_is_said_to_a_person_and_is_nothing_to_a_program() {
    let answer = Answer::Rows(Table::new([Column::text("TOPIC")], "no topics"));
    assert_eq!(answer.render(Format::Auto, Look { terminal: true, colour: false }), "no topics\n");
    assert_eq!(answer.render(Format::Auto, Look::PLAIN), "");
    assert_eq!(answer.render(Format::Json, Look::PLAIN), "[]\n");
    assert_eq!(answer.render(Format::Yaml, Look::PLAIN), "[]\n");
}

#[test]
fn a_sheet_shows_facts_then_lines_then_tables() {
    let sheet = Sheet::new("orders", Doc::map([("name", Doc::from("orders"))]))
        .fact("topic", "orders")
        .fact("partitions", 3)
        .line(Cell::mood("all is well", Mood::Good))
        .table("parts", table());
    let text = "topic       orders\npartitions  3\n✓ all is well\n\nparts\nTOPIC     PARTITIONS\n✓ orders           3\np                 12\n";
    assert_eq!(Answer::One(sheet.clone()).render(Format::Auto, Look::PLAIN), text);
    assert_eq!(Answer::One(sheet.clone()).render(Format::Jsonl, Look::PLAIN), "{\"name\":\"orders\"}\n");
    assert_eq!(Answer::Many(vec![sheet]).render(Format::Yaml, Look::PLAIN), "- name: orders\n");
}
