//! Metrics and labels that an expression of Prometheus reads and groups by, from the tree of `promql-parser`.

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

/// The parts of an expression that name metrics and labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) selectors: Vec<Selector>,
    /// Labels in `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    pub(crate) groupings: Vec<String>,
}

/// One selector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator and value.
    pub(crate) matchers: Vec<(String, &'static str, String)>,
}

/// Parses an expression, in which Grafana may still have to fill in its range.
pub(crate) fn read(text: &str) -> Expression {
    let text = text.replace("$__rate_interval", "5m").replace("$__range", "1h");
    let tree = parser::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut expression = Expression::default();
    let Ok(_) = walk_expr(&mut expression, &tree);
    expression
}

impl ExprVisitor for Expression {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, node: &Expr) -> Result<bool, Self::Error> {
        match node {
            Expr::Aggregate(aggregate) => {
                let labels = aggregate.modifier.iter().flat_map(|modifier| &modifier.labels().labels);
                self.groupings.extend(labels.cloned());
            }
            Expr::Binary(binary) => {
                let modifier = binary.modifier.iter();
                let matching = modifier.clone().filter_map(|modifier| modifier.matching.as_ref());
                let labels = matching.flat_map(|matching| &matching.labels().labels);
                let included = modifier.filter_map(|modifier| modifier.card.labels());
                let labels = labels.chain(included.flat_map(|included| &included.labels));
                self.groupings.extend(labels.cloned());
            }
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(matrix) => self.select(&matrix.vs),
            _ => {}
        }
        Ok(true)
    }
}

impl Expression {
    fn select(&mut self, selector: &VectorSelector) {
        let metric = selector.name.clone().expect("a metric's name");
        self.selectors.push(Selector { metric, matchers: matchers(&selector.matchers) });
    }
}

fn matchers(matchers: &Matchers) -> Vec<(String, &'static str, String)> {
    assert!(matchers.or_matchers.is_empty(), "`or` between matchers: {matchers}");
    let operator = |operator: &MatchOp| match operator {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Re(_) => "=~",
        MatchOp::NotRe(_) => "!~",
    };
    let matchers = matchers.matchers.iter();
    matchers.map(|matcher| (matcher.name.clone(), operator(&matcher.op), matcher.value.clone())).collect()
}

#[test]
fn metrics_labels_and_groupings_are_found() {
    let expression = read(
        r#"1 - sum by (job, le) (rate(a_bucket{x="1", y!~"b|c"}[$__rate_interval])) / on (job) group_left up offset 5m
           and vector(time()) - scalar(aurora:b:c) < bool 1e9"#,
    );
    let matcher =
        |label: &str, operator: &'static str, value: &str| (label.to_owned(), operator, value.to_owned());
    let selector = |metric: &str, matchers| Selector { metric: metric.to_owned(), matchers };
    assert_eq!(
        expression.selectors,
        [
            selector("a_bucket", vec![matcher("x", "=", "1"), matcher("y", "!~", "b|c")]),
            selector("up", Vec::new()),
            selector("aurora:b:c", Vec::new()),
        ]
    );
    let mut groupings = expression.groupings;
    groupings.sort();
    assert_eq!(groupings, ["job", "job", "le"]);
}
