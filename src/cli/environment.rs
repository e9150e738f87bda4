//! Variables of the environment that set flags: an empty one is as unset, and a wrong one is named.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::Cli;

/// The flag whose empty text means something: a store in memory.
const STORAGE_PATH: &str = "storage_path";

/// The flags that the environment sets, each with its variable.
pub(super) type Variables = Vec<(String, String)>;

/// Reads the command line, and the environment for what it leaves open.
pub(super) fn read(arguments: &[OsString]) -> Result<Cli, Error> {
    let mut command = Cli::command().mut_args(|arg| if is_unset(&arg) { arg.env(Resettable::Reset) } else { arg });
    let matches =
        command.try_get_matches_from_mut(arguments).map_err(|error| name_variable(error, &command, arguments))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let by_variable = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable);
    cli.variables = command.get_arguments().filter(by_variable).filter_map(flag_and_variable).collect();
    Ok(cli)
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
