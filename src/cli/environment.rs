//! Variables of the environment that set flags: an empty one is as unset, and a wrong one is named.

use std::env;
use std::ffi::OsString;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::Cli;
use crate::printable::printable;

/// The flag whose empty text means something: a store in memory.
const STORAGE_PATH: &str = "storage_path";

/// The flags that the environment sets, each with its variable.
pub(super) type Variables = Vec<(String, String)>;

/// Reads the command line, and the environment for what it leaves open.
pub(super) fn read(arguments: &[OsString]) -> Result<Cli, Error> {
    let mut command = Cli::command().mut_args(|arg| if is_unset(&arg) { arg.env(Resettable::Reset) } else { arg });
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| advise(name_variable(error, &command, arguments), &command, arguments))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let by_variable = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable);
    cli.variables = command.get_arguments().filter(by_variable).filter_map(flag_and_variable).collect();
    Ok(cli)
}

/// Adds a tip for what people try first.
fn advise(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => match word(ContextKind::InvalidSubcommand) {
            Some(word @ ("help" | "version")) => format!("write --{word}"),
            Some(word) if word.contains(['.', '/']) => file_tip(word),
            _ => return error,
        },
        ErrorKind::UnknownArgument => match (word(ContextKind::InvalidArg), with_one_dash(command, arguments)) {
            (Some(word), Some(flag)) if word.starts_with('-') => format!("flags begin with two dashes: --{flag}"),
            (Some(word), _) if !word.starts_with('-') => file_tip(word),
            _ => return error,
        },
        _ => return error,
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    error
}

fn file_tip(word: &str) -> String {
    format!("a configuration file is named with its flag: --config.file {}", printable(word))
}

/// The first flag of ours that is written with one dash, as programs in Go allow.
fn with_one_dash(command: &Command, arguments: &[OsString]) -> Option<String> {
    let all = || command.get_subcommands().chain([command]).flat_map(Command::get_arguments);
    arguments.iter().find_map(|argument| {
        let name = argument.to_str()?.strip_prefix('-')?.split('=').next()?;
        all().any(|arg| arg.get_long() == Some(name)).then(|| name.to_owned())
    })
}

/// `text` with the names of the variables in the place of the flags that they set.
pub(super) fn named(text: String, variables: &Variables) -> String {
    variables.iter().fold(text, |text, (flag, variable)| text.replace(flag, variable))
}

fn is_unset(arg: &Arg) -> bool {
    let variable = arg.get_env().and_then(env::var_os);
    variable.is_some_and(|text| text.is_empty()) && arg.get_id() != STORAGE_PATH
}

fn flag_and_variable(arg: &Arg) -> Option<(String, String)> {
    Some((format!("--{}", arg.get_long()?), arg.get_env()?.to_str()?.to_owned()))
}

/// Names the variable in the error of a value that came from it.
fn name_variable(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else { return error };
    let arg = command.get_arguments().find(|arg| arg.to_string() == *wrong);
    let Some((flag, variable)) = arg.and_then(flag_and_variable) else { return error };
    let is_flag = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == flag || argument.starts_with(&format!("{flag}="))
    };
    // What the command line says counts, and is what was wrong.
    if env::var_os(&variable).is_some() && !arguments.iter().any(is_flag) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}
