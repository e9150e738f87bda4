//! `example`: the configuration with every key, which the program carries.

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::output::answer_with;

/// What `exporter.example.yaml` holds.
const EXAMPLE: &str = include_str!("../../exporter.example.yaml");

/// The keys at the top of the example that name a platform.
const PLATFORMS: [&str; 3] = ["wecom", "feishu", "tencent_desk"];

#[derive(Debug, Args)]
pub(super) struct ExampleArgs {
    /// Only the part of this platform.
    #[arg(long = "vendor", visible_alias = "platform", value_name = "NAME", value_parser = PossibleValuesParser::new(PLATFORMS))]
    platform: Option<String>,
}

/// Prints the example, or what of it one platform needs.
pub(super) fn example(args: &ExampleArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.platform {
        Some(platform) => part(platform),
        None => EXAMPLE.to_owned(),
    };
    answer_with(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The paragraphs of general keys, and the paragraphs of `platform`: from the comment above its key to the next one's.
fn part(platform: &str) -> String {
    let mut text = String::new();
    // What paragraphs belong to: nothing yet, or the platform whose key came last.
    let mut owner = None;
    for paragraph in EXAMPLE.split_inclusive("\n\n") {
        if let Some(key) = PLATFORMS.iter().find(|key| paragraph.lines().any(|line| line == format!("{key}:"))) {
            owner = Some(*key);
        }
        if owner.is_none() || owner == Some(platform) {
            text.push_str(paragraph);
        }
    }
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_general_keys_and_one_platform() {
        for platform in PLATFORMS {
            let part = part(platform);
            assert!(part.contains("#poll_interval:"), "{platform}");
            for other in PLATFORMS {
                let has = part.lines().any(|line| line == format!("{other}:"));
                assert_eq!(has, other == platform, "{platform} in the part of {other}");
            }
        }
        let lines: usize = PLATFORMS.iter().map(|platform| part(platform).lines().count()).sum();
        assert!(lines >= EXAMPLE.lines().count(), "no line of the example is in no part");
    }
}
