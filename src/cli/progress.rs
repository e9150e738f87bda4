//! Progress of a long command: bars on a terminal, else a line every few seconds.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::estimate::words;
use super::output::remark;

/// How often a bar is drawn.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// How far one part of a command is.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// How much is done.
    pub(super) done: u64,
    /// How much there is in all; `None` where that is not known.
    pub(super) most: Option<u64>,
    /// What holds it up now, in words.
    pub(super) held_up: Option<String>,
}

/// Shows how far the parts of a command are.
pub(super) struct Display {
    names: Vec<String>,
    /// What is counted: `calls`.
    unit: &'static str,
    started: Instant,
    shown: Option<Instant>,
    bars: Option<Vec<ProgressBar>>,
}

impl Display {
    /// A display of parts of those names, which count `unit`.
    pub(super) fn new(names: Vec<String>, unit: &'static str) -> Self {
        let bars = stderr().is_terminal().then(|| {
            let width = names.iter().map(String::len).max().unwrap_or(0);
            let all = MultiProgress::new();
            names.iter().map(|name| all.add(bar(format!("{name:width$}"), unit))).collect()
        });
        Self { names, unit, started: Instant::now(), shown: None, bars }
    }

    /// Shows `states`, one for each part; does nothing where there was a line a moment ago.
    pub(super) fn show(&mut self, states: &[State]) {
        if let Some(bars) = &self.bars {
            for (bar, state) in bars.iter().zip(states) {
                if let Some(most) = state.most {
                    bar.set_length(most.max(state.done));
                }
                bar.set_position(state.done);
                bar.set_message(state.held_up.clone().unwrap_or_default());
            }
            return;
        }
        if self.shown.is_some_and(|shown| shown.elapsed() < LINE) {
            return;
        }
        // At the very start there is nothing to tell.
        let first = self.shown.replace(Instant::now()).is_none();
        if first {
            return;
        }
        for (name, state) in self.names.iter().zip(states) {
            if state.most != Some(state.done) {
                remark(format_args!("{name}: {}", self.line(state)));
            }
        }
    }

    /// Ends the display, with its bars as they are.
    pub(super) fn end(&mut self, states: &[State]) {
        if self.bars.is_some() {
            self.show(states);
        }
        self.bars.iter().flatten().for_each(ProgressBar::abandon);
    }

    fn line(&self, state: &State) -> String {
        let rate = state.done as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let mut line = match state.most {
            Some(most) => format!("{} of {most} {}, {rate:.1} a second", state.done, self.unit),
            None => format!("{} {}, {rate:.0} a second", state.done, self.unit),
        };
        if let (Some(most), true) = (state.most, rate > 0.0) {
            let left = Duration::try_from_secs_f64(most.saturating_sub(state.done) as f64 / rate);
            line.push_str(&format!(", {} left", words(left.unwrap_or(Duration::MAX))));
        }
        if let Some(held_up) = &state.held_up {
            line.push_str(&format!("; {held_up}"));
        }
        line
    }
}

fn bar(name: String, unit: &str) -> ProgressBar {
    let template = format!("{{prefix}} {{bar:24}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}} left {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_prefix(name)
}
