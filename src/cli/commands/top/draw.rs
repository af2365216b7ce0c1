//! The picture: a line on the cluster, nodes, groups, actors.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::View;
use super::keys::Keys;
use crate::moment::{show_bytes, show_count};

pub(super) fn draw(frame: &mut Frame<'_>, view: &View, keys: &Keys) {
    let nodes = u16::try_from(view.nodes.len()).unwrap_or(u16::MAX).clamp(1, 6) + 3;
    let groups = u16::try_from(view.groups.len()).unwrap_or(u16::MAX).clamp(1, 8) + 3;
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(nodes),
        Constraint::Length(groups),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .split(frame.area());
    head(frame, areas[0], view);
    draw_nodes(frame, areas[1], view);
    draw_groups(frame, areas[2], view);
    draw_actors(frame, areas[3], view, keys);
    foot(frame, areas[4], view, keys);
}

fn good(is_good: bool) -> Style {
    Style::new().fg(if is_good { Color::Green } else { Color::Red })
}

fn head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let sign = if view.health == "healthy" { "✓" } else { "✗" };
    let line = Line::from(vec![
        Span::raw("callboard top  "),
        Span::styled(format!("{sign} {}", view.health), good(view.health == "healthy")),
        Span::raw(format!("  {}  {} topics, {} partitions", view.where_from, view.topics, view.partitions)),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

fn titled(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(title)
}

fn header<'a>(names: impl IntoIterator<Item = &'a str>) -> Row<'a> {
    Row::new(names.into_iter().map(Cell::from)).style(Style::new().add_modifier(Modifier::DIM))
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let rows = view.nodes.iter().map(|node| {
        let state = if node.fenced {
            "✗ fenced"
        } else if node.controller {
            "✓ controller"
        } else {
            "✓ serving"
        };
        Row::new([
            Cell::from(node.id.0.to_string()),
            Cell::from(node.address.clone()),
            Cell::from(state).style(good(!node.fenced)),
            Cell::from(node.leaders.to_string()),
            Cell::from(node.replicas.to_string()),
            Cell::from(node.log_bytes.map_or_else(|| "?".to_owned(), show_bytes)),
        ])
    });
    let widths = [6, 30, 14, 9, 9, 12].map(Constraint::Length);
    let table = Table::new(rows, widths)
        .header(header(["NODE", "ADDRESS", "STATE", "LEADERS", "REPLICAS", "LOGS"]))
        .block(titled("nodes "));
    frame.render_widget(table, area);
}

fn draw_groups(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let rows = view.groups.iter().map(|group| {
        let lag = u64::try_from(group.lag()).unwrap_or(0);
        Row::new([
            Cell::from(group.group.group.clone()),
            Cell::from(group.group.state.clone()),
            Cell::from(group.group.members.len().to_string()),
            Cell::from(show_count(lag)),
        ])
    });
    let widths = [Constraint::Min(20), Constraint::Length(20), Constraint::Length(8), Constraint::Length(14)];
    let table = Table::new(rows, widths)
        .header(header(["GROUP", "STATE", "MEMBERS", "LAG"]))
        .block(titled("groups, the furthest behind first "));
    frame.render_widget(table, area);
}

fn draw_actors(frame: &mut Frame<'_>, area: Rect, view: &View, keys: &Keys) {
    let room = usize::from(area.height.saturating_sub(2));
    let marked = keys.marked.min(view.actors.len().saturating_sub(1));
    let from = marked.saturating_sub(room.saturating_sub(1));
    let rows = view.actors.iter().enumerate().skip(from).take(room).map(|(at, (actor, rate))| {
        let sign = if actor.state == "running" { "✓" } else { "!" };
        let restarts = Cell::from(actor.restarts.to_string());
        let row = Row::new([
            Cell::from(actor.path.clone()),
            Cell::from(format!("{sign} {}", actor.state)).style(good(actor.state == "running")),
            Cell::from(actor.mailbox_messages.to_string()),
            Cell::from(format!("{}/s", show_count(*rate))),
            if actor.restarts > 0 { restarts.style(Style::new().fg(Color::Yellow)) } else { restarts },
        ]);
        if at == marked { row.style(Style::new().add_modifier(Modifier::REVERSED)) } else { row }
    });
    let widths = [
        Constraint::Min(30),
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(9),
    ];
    let table = Table::new(rows, widths)
        .header(header(["ACTOR", "STATE", "MAILBOX", "HANDLED", "RESTARTS"]))
        .block(titled("actors, the busiest first "));
    frame.render_widget(table, area);
}

fn foot(frame: &mut Frame<'_>, area: Rect, view: &View, keys: &Keys) {
    let text = match (&keys.asked, &keys.said, view.faults.first()) {
        (Some(path), _, _) => format!("make {path} fail? y does it, any other key does not"),
        (None, Some(said), _) => said.clone(),
        (None, None, Some(fault)) => format!("! {fault}"),
        (None, None, None) => "q quits  ↑↓ or j k mark an actor  x makes it fail (where the node allows it)".to_owned(),
    };
    frame.render_widget(Paragraph::new(text), area);
}
