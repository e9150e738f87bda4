// The dashboards and alert rules as a monitoring mixin (https://monitoring.mixins.dev/), for go-jsonnet, as mixtool and Tanka have it:
//   jsonnet -J grafana -e "(import 'mixin.libsonnet').prometheusAlerts"
{
  grafanaDashboards+:: {
    'imstats-overview.json': import 'overview.json',
    'imstats-wecom-contact.json': import 'wecom-contact.json',
    'imstats-wecom-groupchat.json': import 'wecom-groupchat.json',
    'imstats-wecom-kf.json': import 'wecom-kf.json',
    'imstats-wecom-person.json': import 'wecom-person.json',
    'imstats-tencent-desk.json': import 'tencent-desk.json',
    'imstats-feishu-push.json': import 'feishu-push.json',
    'imstats-exporter-health.json': import 'exporter-health.json',
  },
  prometheusAlerts+:: std.parseYaml(importstr '../prometheus/alerts.yaml'),
  prometheusRules+:: {},
}
