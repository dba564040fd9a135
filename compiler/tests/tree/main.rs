//! The decision tree held against the naive oracle, and against itself in another order.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod list;
#[cfg(test)]
mod long;
#[cfg(test)]
mod nested;
mod oracle;
