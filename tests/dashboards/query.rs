//! One query, held to what the tables say about its metrics.

use std::collections::BTreeSet;

use imstats_exporter::source::{Combine, Span};
use promql_parser::parser::{self, AggregateExpr, Expr, LabelModifier, VectorSelector};

use super::known::{ALERTS, Known};

/// The metrics that are multiplied in one summand.
type Product = BTreeSet<String>;

/// A query that parses.
pub(crate) struct Query<'a> {
    known: &'a Known,
    tree: Expr,
}

impl<'a> Query<'a> {
    /// Parses `text` once Grafana's own windows are filled in.
    pub(crate) fn parse(known: &'a Known, text: &str) -> Result<Self, String> {
        let tree = parser::parse(&filled(text))?;
        Ok(Self { known, tree })
    }

    /// Everything that is wrong with it.
    pub(crate) fn faults(&self, scope: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        self.visit(&self.tree, &mut Vec::new(), scope, &mut faults);
        faults
    }

    /// The labels that its result can have, where an aggregation says so.
    pub(crate) fn result_labels(&self) -> Option<Vec<String>> {
        fn of(expr: &Expr) -> Option<Vec<String>> {
            match expr {
                Expr::Aggregate(aggregate) => Some(grouping(aggregate)),
                Expr::Paren(paren) => of(&paren.expr),
                Expr::Binary(binary) => of(&binary.lhs).or_else(|| of(&binary.rhs)),
                Expr::Call(call) if call.func.name == "absent" => Some(vec![]),
                Expr::Call(call) => call.args.args.iter().find_map(|arg| of(arg)),
                _ => None,
            }
        }
        of(&self.tree)
    }

    /// `above` are the expressions around `expr`, outermost first.
    fn visit<'e>(&self, expr: &'e Expr, above: &mut Vec<&'e Expr>, scope: &[&str], faults: &mut Vec<String>) {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector, above, scope, faults),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs, above, scope, faults),
            Expr::Aggregate(aggregate) => {
                self.labels_exist(&grouping(aggregate), faults);
                let op = aggregate.op.to_string();
                if op == "sum" || op == "avg" {
                    self.sum(&grouping(aggregate), &aggregate.expr, faults);
                }
            }
            Expr::Binary(binary) => {
                if let Some(LabelModifier::Include(on)) = binary.modifier.as_ref().and_then(|m| m.matching.as_ref()) {
                    self.labels_exist(&on.labels, faults);
                }
            }
            Expr::Call(call) if matches!(call.func.name, "sum_over_time" | "avg_over_time") => {
                self.sum_of_days(&call.args.args[0], faults);
            }
            _ => {}
        }
        above.push(expr);
        for child in children(expr) {
            self.visit(child, above, scope, faults);
        }
        above.pop();
    }

    fn labels_exist(&self, labels: &[String], faults: &mut Vec<String>) {
        for label in labels.iter().filter(|label| !self.known.has_label(label)) {
            faults.push(format!("nothing has the label {label}"));
        }
    }

    /// The metric and its labels exist, the reader's choice applies, and copies are collapsed first.
    fn selector(&self, selector: &VectorSelector, above: &[&Expr], scope: &[&str], faults: &mut Vec<String>) {
        let Some(metric) = &selector.name else {
            return faults.push(format!("{selector} names no metric"));
        };
        let Some(labels) = self.known.labels(metric) else {
            return faults.push(format!("{metric} does not exist"));
        };
        let matched: Vec<_> = selector.matchers.matchers.iter().collect();
        for matcher in matched.iter().filter(|matcher| !labels.contains(&matcher.name)) {
            faults.push(format!("{metric} has no label {}", matcher.name));
        }
        // Of an alert's own labels the job is none.
        for label in scope.iter().filter(|_| metric != ALERTS) {
            if !matched.iter().any(|matcher| matcher.name == *label && matcher.value == format!("${label}")) {
                faults.push(format!("{metric} is not restricted to ${label}"));
            }
        }
        let first = above.iter().rev().find_map(|expr| match expr {
            Expr::Aggregate(aggregate) => Some(Some(aggregate)),
            Expr::Call(call) if call.func.name == "last_over_time" => None,
            Expr::Paren(_) => None,
            _ => Some(None),
        });
        let collapse = first.flatten().map(|aggregate| {
            let by: BTreeSet<_> = grouping(aggregate).into_iter().collect();
            (aggregate.op.to_string(), by)
        });
        if let Some((table, _)) = self.known.figure(metric) {
            let all = table.labels.iter().copied().chain(["account"]).map(str::to_owned).collect();
            if collapse != Some(("max".to_owned(), all)) {
                faults.push(format!("copies of {metric} are not collapsed by max over all of its labels"));
            }
        } else if let Some(id) = self.known.named_id(metric) {
            let all = ["account", id].map(str::to_owned).into();
            if collapse != Some(("topk".to_owned(), all)) {
                faults.push(format!("of several names in {metric} not one is taken by topk"));
            }
        }
    }

    /// Only what adds up is added up, and averages only with their weights.
    fn sum(&self, by: &[String], expr: &Expr, faults: &mut Vec<String>) {
        for product in summands(expr) {
            for factor in &product {
                if factor == "/" {
                    faults.push("quotients are added up".to_owned());
                }
                let (metric, picked) = picked(factor);
                let Some((table, field)) = self.known.figure(metric) else { continue };
                if table.labels.iter().all(|label| by.iter().any(|kept| kept == label)) {
                    continue;
                }
                if let Some(reason) = table.overlap
                    && !picked
                {
                    faults.push(format!("{metric} is added up: {reason}"));
                }
                match field.combine {
                    // The panel says so.
                    Combine::Sum | Combine::Repeats(_) => {}
                    Combine::Never(reason) => faults.push(format!("{metric} is added up: {reason}")),
                    Combine::Weighted(weights) => {
                        for weight in weights {
                            if !has_weights(&product, table.prefix, &[weight]) {
                                let weight = format!("{}_{weight}", table.prefix);
                                faults.push(format!("{metric} is averaged without its weight {weight}"));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Over days, only counts of single days add up.
    fn sum_of_days(&self, expr: &Expr, faults: &mut Vec<String>) {
        for product in summands(expr) {
            for factor in &product {
                let (metric, _) = picked(factor);
                let Some((table, field)) = self.known.figure(metric) else { continue };
                let adds = match field.combine {
                    Combine::Sum => true,
                    // With its weights it is a count again, such as the sessions that were replied to.
                    Combine::Weighted(weights) => has_weights(&product, table.prefix, weights),
                    Combine::Repeats(_) | Combine::Never(_) => false,
                };
                if !adds || field.span != Span::Day {
                    faults.push(format!("{metric} is added up over days"));
                }
            }
        }
    }
}

/// `text` with Grafana's own windows, and with a number for each goal that a reader may set.
pub(crate) fn filled(text: &str) -> String {
    let mut parts = text.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        match &part[..end] {
            "__rate_interval" => filled.push_str("5m"),
            "__range" => filled.push_str("7d"),
            name if name.starts_with("goal_") || name.starts_with("least_") => filled.push('1'),
            name => filled.extend(["$", name]),
        }
        filled.push_str(&part[end..]);
    }
    filled
}

/// The labels that an aggregation keeps.
fn grouping(aggregate: &AggregateExpr) -> Vec<String> {
    match &aggregate.modifier {
        Some(LabelModifier::Include(labels)) => labels.labels.clone(),
        _ => vec![],
    }
}

/// What the values of `expr` are made of: a sum of products of metrics.
fn summands(expr: &Expr) -> Vec<Product> {
    let of = |metric: &str| vec![Product::from([metric.to_owned()])];
    match expr {
        Expr::VectorSelector(selector) => of(selector.name.as_deref().unwrap_or_default()),
        Expr::MatrixSelector(matrix) => of(matrix.vs.name.as_deref().unwrap_or_default()),
        // One is taken for each account: what overlaps within an account is not added up any more.
        Expr::Aggregate(aggregate) if aggregate.op.to_string() == "max" && grouping(aggregate) == ["account"] => {
            let name = |metric: &String| format!("{PICKED}{}", picked(metric).0);
            summands(&aggregate.expr).iter().map(|product| product.iter().map(name).collect()).collect()
        }
        Expr::Aggregate(aggregate) => summands(&aggregate.expr),
        Expr::Paren(paren) => summands(&paren.expr),
        Expr::Unary(unary) => summands(&unary.expr),
        Expr::Subquery(subquery) => summands(&subquery.expr),
        Expr::Call(call) => {
            call.args.args.iter().map(|arg| summands(arg)).find(|found| !found.is_empty()).unwrap_or_default()
        }
        Expr::Binary(binary) => {
            let (left, right) = (summands(&binary.lhs), summands(&binary.rhs));
            match binary.op.to_string().as_str() {
                "+" | "-" | "or" => [left, right].concat(),
                "*" => multiplied(&left, &right),
                "/" => multiplied(&multiplied(&left, &right), &of("/")),
                // Set operators and comparisons pass the left side on.
                _ => left,
            }
        }
        Expr::NumberLiteral(_) => vec![Product::new()],
        Expr::StringLiteral(_) | Expr::Extension(_) => vec![],
    }
}

/// Before the name of a metric of which one element is taken for each account.
const PICKED: &str = "one of ";

/// The name of the metric, and whether one element of it is taken for each account.
fn picked(factor: &str) -> (&str, bool) {
    factor.strip_prefix(PICKED).map_or((factor, false), |metric| (metric, true))
}

/// Whether a product has all of those weights of its table.
fn has_weights(product: &Product, prefix: &str, weights: &[&str]) -> bool {
    weights.iter().all(|weight| product.contains(&format!("{prefix}_{weight}")))
}

fn multiplied(left: &[Product], right: &[Product]) -> Vec<Product> {
    left.iter().flat_map(|one| right.iter().map(move |other| one | other)).collect()
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => vec![&aggregate.expr],
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|arg| &**arg).collect(),
        _ => vec![],
    }
}
