//! Names of people and places, in Chinese, with the Latin spelling that ids are made of.

const SURNAMES: [(&str, &str); 32] = [
    ("王", "wang"),
    ("李", "li"),
    ("张", "zhang"),
    ("刘", "liu"),
    ("陈", "chen"),
    ("杨", "yang"),
    ("黄", "huang"),
    ("赵", "zhao"),
    ("吴", "wu"),
    ("周", "zhou"),
    ("徐", "xu"),
    ("孙", "sun"),
    ("马", "ma"),
    ("朱", "zhu"),
    ("胡", "hu"),
    ("郭", "guo"),
    ("何", "he"),
    ("林", "lin"),
    ("高", "gao"),
    ("罗", "luo"),
    ("郑", "zheng"),
    ("梁", "liang"),
    ("谢", "xie"),
    ("宋", "song"),
    ("唐", "tang"),
    ("许", "xu"),
    ("邓", "deng"),
    ("冯", "feng"),
    ("韩", "han"),
    ("曹", "cao"),
    ("曾", "zeng"),
    ("彭", "peng"),
];

const GIVEN: [(&str, &str); 31] = [
    ("伟", "wei"),
    ("芳", "fang"),
    ("娜", "na"),
    ("敏", "min"),
    ("静", "jing"),
    ("秀英", "xiuying"),
    ("丽", "li"),
    ("强", "qiang"),
    ("磊", "lei"),
    ("洋", "yang"),
    ("艳", "yan"),
    ("勇", "yong"),
    ("军", "jun"),
    ("杰", "jie"),
    ("娟", "juan"),
    ("涛", "tao"),
    ("明", "ming"),
    ("超", "chao"),
    ("秀兰", "xiulan"),
    ("霞", "xia"),
    ("平", "ping"),
    ("刚", "gang"),
    ("桂英", "guiying"),
    ("晓东", "xiaodong"),
    ("雨桐", "yutong"),
    ("梓涵", "zihan"),
    ("浩然", "haoran"),
    ("欣怡", "xinyi"),
    ("子轩", "zixuan"),
    ("诗琪", "shiqi"),
    ("思远", "siyuan"),
];

const REGIONS: [&str; 10] =
    ["华东大区", "华北大区", "华南大区", "华中大区", "西南大区", "西北大区", "东北大区", "海外部", "线上部", "总部"];

const CITIES: [&str; 16] = [
    "上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "南京", "西安", "重庆", "苏州", "天津", "长沙", "青岛",
    "厦门", "沈阳",
];

const DESKS: [&str; 8] =
    ["售前咨询", "售后服务", "会员服务", "物流查询", "投诉建议", "门店预约", "技术支持", "商务合作"];

/// The name of the person at `index`, and its Latin spelling, which is no other person's.
pub(super) fn person(index: usize) -> (String, String) {
    // 32 and 31 have no common factor, so that 992 pairs go by before one comes again.
    let (surname, surname_latin) = SURNAMES[index % SURNAMES.len()];
    let (given, given_latin) = GIVEN[index % GIVEN.len()];
    // The spellings of 徐 and 许 are the same: the number keeps those apart, too.
    let round = index / (SURNAMES.len() * GIVEN.len());
    let number = match (round, surname) {
        (0, "许") => "0".to_owned(),
        (0, _) => String::new(),
        (_, "许") => format!("0{round}"),
        _ => round.to_string(),
    };
    (format!("{surname}{given}"), format!("{surname_latin}{given_latin}{number}"))
}

/// The name of the region at `index`.
pub(super) fn region(index: usize) -> String {
    numbered(&REGIONS, index, "")
}

/// The name of the sales team at `index`.
pub(super) fn team(index: usize) -> String {
    numbered(&CITIES, index, "组")
}

/// The name of the customer service account at `index`.
pub(super) fn desk(index: usize) -> String {
    numbered(&DESKS, index, "")
}

fn numbered(names: &[&str], index: usize, suffix: &str) -> String {
    match index / names.len() {
        0 => format!("{}{suffix}", names[index % names.len()]),
        round => format!("{}{}{suffix}", names[index % names.len()], round + 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_people_are_spelt_the_same() {
        let spelt: HashSet<String> = (0..20_000).map(|index| person(index).1).collect();
        assert_eq!(spelt.len(), 20_000);
    }
}
