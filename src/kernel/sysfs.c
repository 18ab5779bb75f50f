// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4. See sysfs.h.
 */
#include <linux/blkdev.h>
#include <linux/dm-ioctl.h>
#include <linux/kdev_t.h>
#include <linux/mutex.h>
#include <linux/part_stat.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "compat.h"
#include "config.h"
#include "discovery.h"
#include "dm_remap/fields.h"
#include "log.h"
#include "pair.h"
#include "scan.h"
#include "sysfs.h"
#include "target.h"

enum dmr_total {
	DMR_TOTAL_READS,
	DMR_TOTAL_WRITES,
	DMR_TOTAL_REMAPS,
	DMR_TOTAL_LOST,
	DMR_TOTAL_ERRORS,
	DMR_TOTALS,
};

static DEFINE_MUTEX(dmr_sysfs_lock);
static LIST_HEAD(dmr_sysfs_pairs);
static u64 dmr_totals_gone[DMR_TOTALS]; /* of targets that are no more */

/* ---- Values of a target ---- */

/* The counters of all CPUs go on while they are added up, as in /proc/diskstats. */
static u64 dmr_io_counted(const struct dmr_pair *pair, enum dmr_io io)
{
	const struct block_device *whole = dm_disk(pair->md)->part0;

	switch (io) {
	case DMR_IO_READS:
		return data_race(part_stat_read(whole, ios[STAT_READ]));
	case DMR_IO_WRITES:
		return data_race(part_stat_read(whole, ios[STAT_WRITE]));
	case DMR_IO_READ_SECTORS:
		return data_race(part_stat_read(whole, sectors[STAT_READ]));
	case DMR_IO_WRITE_SECTORS:
		return data_race(part_stat_read(whole, sectors[STAT_WRITE]));
	case DMR_IO_COUNT:
		break;
	}
	return 0;
}

u64 dmr_sysfs_io(const struct dmr_pair *pair, enum dmr_io io)
{
	return dmr_io_counted(pair, io) - pair->sysfs.io_before[io];
}

static ssize_t dmr_show_io(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	return sysfs_emit(page, "%llu\n", dmr_sysfs_io(pair, file->which));
}

static ssize_t dmr_show_name(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	char name[DM_NAME_LEN];
	int r;

	r = dm_copy_name_and_uuid(pair->md, name, NULL);
	return r ? r : sysfs_emit(page, "%s\n", name);
}

static ssize_t dmr_show_device(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	const dev_t dev = pair->host.bdev[file->which]->bd_dev;

	return sysfs_emit(page, "%u:%u\n", MAJOR(dev), MINOR(dev));
}

static ssize_t dmr_show_field(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	char text[DMR_FIELD_TEXT_BYTES];
	struct dmr_status status;

	dmr_engine_status(pair->engine, &status);
	return sysfs_emit(page, "%s\n", dmr_field_print(file->which, &status, text));
}

static int dmr_store_scan(struct dmr_pair *pair, const struct dmr_file *file, const char *text)
{
	char word[DMR_LINE_WORD_BYTES];
	enum dmr_scan_command command;

	if (dmr_line_word(text, word) || !dmr_scan_command_parse(word, &command))
		return -EINVAL;
	return dmr_scan_command(pair, command);
}

static ssize_t dmr_show_config(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	char text[DMR_CONFIG_TEXT_BYTES];

	return sysfs_emit(page, "%s\n",
			  dmr_config_print(file->which,
					   dmr_engine_config(pair->engine, file->which), text));
}

static int dmr_store_config(struct dmr_pair *pair, const struct dmr_file *file, const char *text)
{
	u32 value;
	int r;

	r = dmr_config_parse_line(file->which, text, &value);
	if (r)
		return r;
	dmr_engine_config_set(pair->engine, file->which, value);
	dmr_scan_kick(pair);
	return 0;
}

/* ---- Values of the module ---- */

static ssize_t dmr_show_version(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	const unsigned int *version = dmr_target_type.version;

	return sysfs_emit(page, "%u.%u.%u\n", version[0], version[1], version[2]);
}

static ssize_t dmr_show_default(struct dmr_pair *pair, const struct dmr_file *file, char *page)
{
	char text[DMR_CONFIG_TEXT_BYTES];

	return sysfs_emit(page, "%s\n",
			  dmr_config_print(file->which, dmr_default(file->which), text));
}

static int dmr_store_default(struct dmr_pair *pair, const struct dmr_file *file, const char *text)
{
	return dmr_default_set(file->which, text);
}

static ssize_t dmr_show_discovering(struct dmr_pair *none, const struct dmr_file *file, char *page)
{
	return sysfs_emit(page, "%d\n", dmr_discovering());
}

static int dmr_store_discover(struct dmr_pair *none, const struct dmr_file *file, const char *text)
{
	char word[DMR_LINE_WORD_BYTES];

	if (dmr_line_word(text, word) || strcmp(word, "1"))
		return -EINVAL;
	return dmr_discover();
}

static ssize_t dmr_show_last_scan(struct dmr_pair *none, const struct dmr_file *file, char *page)
{
	return sysfs_emit(page, "%lld\n", dmr_discovery_last());
}

static ssize_t dmr_read_devices(struct file *opened, struct kobject *kobj,
				DMR_BIN_CONST struct bin_attribute *attr, char *buffer, loff_t offset,
				size_t size)
{
	return dmr_discovery_read(DMR_DISCOVERY_DEVICES, buffer, offset, size);
}

static ssize_t dmr_read_pairs(struct file *opened, struct kobject *kobj,
			      DMR_BIN_CONST struct bin_attribute *attr, char *buffer, loff_t offset,
			      size_t size)
{
	return dmr_discovery_read(DMR_DISCOVERY_PAIRS, buffer, offset, size);
}

/* Adds what the target has seen since its directory was made. */
static void dmr_totals_add(const struct dmr_pair *pair, u64 *totals)
{
	const struct dmr_sysfs *sysfs = &pair->sysfs;
	struct dmr_status status;

	dmr_engine_status(pair->engine, &status);
	totals[DMR_TOTAL_READS] += dmr_sysfs_io(pair, DMR_IO_READS);
	totals[DMR_TOTAL_WRITES] += dmr_sysfs_io(pair, DMR_IO_WRITES);
	totals[DMR_TOTAL_REMAPS] += status.remaps - sysfs->remaps_before;
	totals[DMR_TOTAL_LOST] += status.lost - sysfs->lost_before;
	totals[DMR_TOTAL_ERRORS] += status.main_read_errors + status.main_write_errors -
				    sysfs->errors_before;
}

static ssize_t dmr_show_total(struct dmr_pair *none, const struct dmr_file *file, char *page)
{
	u64 totals[DMR_TOTALS];
	struct dmr_pair *pair;

	mutex_lock(&dmr_sysfs_lock);
	memcpy(totals, dmr_totals_gone, sizeof(totals));
	list_for_each_entry(pair, &dmr_sysfs_pairs, sysfs.node)
		dmr_totals_add(pair, totals);
	mutex_unlock(&dmr_sysfs_lock);
	return sysfs_emit(page, "%llu\n", totals[file->which]);
}

enum dmr_summary {
	DMR_SUMMARY_TARGETS,
	DMR_SUMMARY_WORST_SCORE,
	DMR_SUMMARY_ACTIVE_SCANS,
	DMR_SUMMARY_OVERHEAD_PPM,
};

static ssize_t dmr_show_summary(struct dmr_pair *none, const struct dmr_file *file, char *page)
{
	u32 summary[] = { [DMR_SUMMARY_WORST_SCORE] = 100, [DMR_SUMMARY_OVERHEAD_PPM] = 0 };
	struct dmr_status status;
	struct dmr_pair *pair;

	mutex_lock(&dmr_sysfs_lock);
	list_for_each_entry(pair, &dmr_sysfs_pairs, sysfs.node) {
		dmr_engine_status(pair->engine, &status);
		summary[DMR_SUMMARY_TARGETS]++;
		summary[DMR_SUMMARY_ACTIVE_SCANS] += status.scan_state == DMR_SCAN_RUNNING;
		summary[DMR_SUMMARY_WORST_SCORE] =
			min(summary[DMR_SUMMARY_WORST_SCORE], status.score);
		summary[DMR_SUMMARY_OVERHEAD_PPM] =
			max(summary[DMR_SUMMARY_OVERHEAD_PPM], status.overhead_ppm);
	}
	mutex_unlock(&dmr_sysfs_lock);
	return sysfs_emit(page, "%u\n", summary[file->which]);
}

/* ---- Directories: what is in them ---- */

#define DMR_READABLE(_name, _show, _which)                                                 \
	{                                                                                  \
		.attr = { .name = (_name), .mode = 0444 }, .show = (_show), .which = (_which) \
	}

#define DMR_WRITABLE(_name, _show, _store, _which)                                         \
	{                                                                                  \
		.attr = { .name = (_name), .mode = 0644 }, .show = (_show),                \
		.store = (_store), .which = (_which)                                       \
	}

static struct dmr_file dmr_own_files[] = {
	DMR_READABLE("name", dmr_show_name, 0),
	DMR_READABLE("main", dmr_show_device, DMR_MAIN),
	DMR_READABLE("spare", dmr_show_device, DMR_SPARE),
};

static struct dmr_file dmr_io_files[] = {
	DMR_READABLE("reads", dmr_show_io, DMR_IO_READS),
	DMR_READABLE("writes", dmr_show_io, DMR_IO_WRITES),
	DMR_READABLE("read_sectors", dmr_show_io, DMR_IO_READ_SECTORS),
	DMR_READABLE("write_sectors", dmr_show_io, DMR_IO_WRITE_SECTORS),
};

static struct dmr_file dmr_version_files[] = {
	DMR_READABLE("version", dmr_show_version, 0),
};

static struct dmr_file dmr_total_files[] = {
	DMR_READABLE("total_reads", dmr_show_total, DMR_TOTAL_READS),
	DMR_READABLE("total_writes", dmr_show_total, DMR_TOTAL_WRITES),
	DMR_READABLE("total_remaps", dmr_show_total, DMR_TOTAL_REMAPS),
	DMR_READABLE("total_lost", dmr_show_total, DMR_TOTAL_LOST),
	DMR_READABLE("total_errors", dmr_show_total, DMR_TOTAL_ERRORS),
	DMR_READABLE("targets", dmr_show_summary, DMR_SUMMARY_TARGETS),
};

static struct dmr_file dmr_health_files[] = {
	DMR_READABLE("worst_score", dmr_show_summary, DMR_SUMMARY_WORST_SCORE),
	DMR_READABLE("active_scans", dmr_show_summary, DMR_SUMMARY_ACTIVE_SCANS),
	DMR_READABLE("overhead_ppm", dmr_show_summary, DMR_SUMMARY_OVERHEAD_PPM),
};

static struct dmr_file dmr_discovery_files[] = {
	DMR_WRITABLE("scan", dmr_show_discovering, dmr_store_discover, 0),
	DMR_WRITABLE("auto_scan", dmr_show_default, dmr_store_default, DMR_CONFIG_AUTO_SCAN),
	DMR_READABLE("last_scan", dmr_show_last_scan, 0),
};

/* A page is not enough for these. */
static DMR_BIN_CONST struct bin_attribute dmr_devices_file = {
	.attr = { .name = "devices", .mode = 0444 }, .read = dmr_read_devices
};
static DMR_BIN_CONST struct bin_attribute dmr_pairs_file = {
	.attr = { .name = "pairs", .mode = 0444 }, .read = dmr_read_pairs
};
static DMR_BIN_CONST struct bin_attribute *DMR_BIN_CONST dmr_discovery_bins[] = {
	&dmr_devices_file, &dmr_pairs_file, NULL,
};

/* Named and filled by the core's tables. */
static struct dmr_file dmr_field_files[DMR_FIELD_COUNT];
static struct dmr_file dmr_config_files[DMR_CONFIG_COUNT];
static struct dmr_file dmr_default_files[DMR_CONFIG_AUTO_SCAN]; /* which is in discovery/ */

#define DMR_FILES_MAX (DMR_FIELD_COUNT + DMR_CONFIG_ALL) /* in one directory; more than enough */

/* The files of each directory; NULL ends them. */
static struct attribute *dmr_top_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_stats_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_health_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_metadata_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_config_list[DMR_FILES_MAX + 1];

static const struct attribute_group dmr_top_group = { .attrs = dmr_top_list };
static const struct attribute_group dmr_stats_group = { .name = "stats", .attrs = dmr_stats_list };
static const struct attribute_group dmr_health_group = { .name = "health",
							 .attrs = dmr_health_list };
static const struct attribute_group dmr_metadata_group = { .name = "metadata",
							   .attrs = dmr_metadata_list };
static const struct attribute_group dmr_config_group = { .name = "config",
							 .attrs = dmr_config_list };

static const struct attribute_group *dmr_pair_groups[] = {
	&dmr_top_group, &dmr_stats_group, &dmr_health_group, &dmr_metadata_group,
	&dmr_config_group, NULL,
};

static struct attribute *dmr_root_top_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_root_stats_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_root_health_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_root_config_list[DMR_FILES_MAX + 1];
static struct attribute *dmr_discovery_list[DMR_FILES_MAX + 1];

static const struct attribute_group dmr_root_top_group = { .attrs = dmr_root_top_list };
static const struct attribute_group dmr_root_stats_group = { .name = "stats",
							     .attrs = dmr_root_stats_list };
static const struct attribute_group dmr_root_health_group = { .name = "health",
							      .attrs = dmr_root_health_list };
static const struct attribute_group dmr_root_config_group = { .name = "config",
							      .attrs = dmr_root_config_list };
static const struct attribute_group dmr_discovery_group = { .name = "discovery",
							    .attrs = dmr_discovery_list,
							    .bin_attrs = dmr_discovery_bins };

/* A group more is a directory more; its files are struct dmr_file. */
static const struct attribute_group *dmr_root_groups[] = {
	&dmr_root_top_group, &dmr_root_stats_group, &dmr_root_health_group,
	&dmr_root_config_group, &dmr_discovery_group, NULL,
};

static struct attribute **dmr_list_of(enum dmr_directory directory)
{
	switch (directory) {
	case DMR_DIRECTORY_TOP:
		return dmr_top_list;
	case DMR_DIRECTORY_STATS:
		return dmr_stats_list;
	case DMR_DIRECTORY_HEALTH:
		return dmr_health_list;
	case DMR_DIRECTORY_METADATA:
		return dmr_metadata_list;
	case DMR_DIRECTORY_NONE:
		break;
	}
	return NULL;
}

static void dmr_list_add(struct attribute **list, struct dmr_file *files, unsigned int count)
{
	while (*list)
		list++;
	while (count--)
		*list++ = &files++->attr;
}

static void dmr_fill_fields(void)
{
	const struct dmr_field_rule *rule;
	struct dmr_file *file;
	unsigned int i;

	for (i = 0; i < DMR_FIELD_COUNT; i++) {
		rule = dmr_field_rule_of(i);
		if (rule->directory == DMR_DIRECTORY_NONE)
			continue;
		file = &dmr_field_files[i];
		*file = (struct dmr_file)DMR_READABLE(rule->name, dmr_show_field, i);
		if (i == DMR_FIELD_SCAN_STATE)
			*file = (struct dmr_file)DMR_WRITABLE(rule->name, dmr_show_field,
							      dmr_store_scan, i);
		dmr_list_add(dmr_list_of(rule->directory), file, 1);
	}
}

static void dmr_fill_config(void)
{
	const char *name;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmr_default_files); i++) {
		name = dmr_config_rule_of(i)->name;
		dmr_default_files[i] = (struct dmr_file)DMR_WRITABLE(name, dmr_show_default,
								     dmr_store_default, i);
		if (i >= DMR_CONFIG_COUNT)
			continue;
		dmr_config_files[i] = (struct dmr_file)DMR_WRITABLE(name, dmr_show_config,
								    dmr_store_config, i);
	}
	dmr_list_add(dmr_config_list, dmr_config_files, ARRAY_SIZE(dmr_config_files));
	dmr_list_add(dmr_root_config_list, dmr_default_files, ARRAY_SIZE(dmr_default_files));
}

static void dmr_fill_lists(void)
{
	dmr_list_add(dmr_top_list, dmr_own_files, ARRAY_SIZE(dmr_own_files));
	dmr_list_add(dmr_stats_list, dmr_io_files, ARRAY_SIZE(dmr_io_files));
	dmr_list_add(dmr_root_top_list, dmr_version_files, ARRAY_SIZE(dmr_version_files));
	dmr_list_add(dmr_root_stats_list, dmr_total_files, ARRAY_SIZE(dmr_total_files));
	dmr_list_add(dmr_root_health_list, dmr_health_files, ARRAY_SIZE(dmr_health_files));
	dmr_list_add(dmr_discovery_list, dmr_discovery_files, ARRAY_SIZE(dmr_discovery_files));
	dmr_fill_fields();
	dmr_fill_config();
}

/* ---- Directories: their life ---- */

static const struct kobj_type dmr_pair_ktype;

static struct dmr_pair *dmr_pair_of_kobject(struct kobject *kobj)
{
	if (kobj->ktype != &dmr_pair_ktype)
		return NULL;
	return container_of(kobj, struct dmr_pair, sysfs.directory.kobj);
}

static ssize_t dmr_file_show(struct kobject *kobj, struct attribute *attr, char *page)
{
	const struct dmr_file *file = container_of(attr, struct dmr_file, attr);

	return file->show(dmr_pair_of_kobject(kobj), file, page);
}

static ssize_t dmr_file_store(struct kobject *kobj, struct attribute *attr, const char *text,
			      size_t count)
{
	const struct dmr_file *file = container_of(attr, struct dmr_file, attr);
	int r;

	/* What is behind a NUL would be ignored. */
	if (!file->store || strlen(text) != count)
		return -EINVAL;
	r = file->store(dmr_pair_of_kobject(kobj), file, text);
	return r ? r : count;
}

static const struct sysfs_ops dmr_sysfs_ops = {
	.show = dmr_file_show,
	.store = dmr_file_store,
};

static void dmr_kobject_release(struct kobject *kobj)
{
	complete(&container_of(kobj, struct dmr_kobject, kobj)->released);
}

static const struct kobj_type dmr_pair_ktype = {
	.release = dmr_kobject_release,
	.sysfs_ops = &dmr_sysfs_ops,
	.default_groups = dmr_pair_groups,
};

static const struct kobj_type dmr_root_ktype = {
	.release = dmr_kobject_release,
	.sysfs_ops = &dmr_sysfs_ops,
	.default_groups = dmr_root_groups,
};

/* Of directories only. */
static const struct kobj_type dmr_targets_ktype = {
	.release = dmr_kobject_release,
	.sysfs_ops = &dmr_sysfs_ops,
};

/* Who else has a reference, which only debug kernels do for a while, is waited for. */
static void dmr_kobject_put(struct dmr_kobject *object)
{
	kobject_put(&object->kobj);
	wait_for_completion(&object->released);
}

static void dmr_kobject_remove(struct dmr_kobject *object)
{
	kobject_del(&object->kobj);
	dmr_kobject_put(object);
}

static int dmr_kobject_add(struct dmr_kobject *object, const struct kobj_type *type,
			   struct kobject *parent, const char *name)
{
	int r;

	memset(object, 0, sizeof(*object));
	init_completion(&object->released);
	r = kobject_init_and_add(&object->kobj, type, parent, "%s", name);
	if (r)
		dmr_kobject_put(object);
	return r;
}

static struct dmr_kobject dmr_root;
static struct dmr_kobject dmr_targets;

void dmr_sysfs_init(struct dmr_pair *pair)
{
	INIT_LIST_HEAD(&pair->sysfs.node);
}

void dmr_sysfs_remove(struct dmr_pair *pair)
{
	mutex_lock(&dmr_sysfs_lock);
	if (!list_empty(&pair->sysfs.node)) {
		list_del_init(&pair->sysfs.node);
		dmr_totals_add(pair, dmr_totals_gone);
	}
	mutex_unlock(&dmr_sysfs_lock);
	if (pair->sysfs.directory.kobj.state_in_sysfs)
		dmr_kobject_remove(&pair->sysfs.directory);
}

/*
 * Of the same device, which had another pair until now. It lives as long as the table before this
 * one, which device-mapper keeps until the resume has ended.
 */
static struct dmr_pair *dmr_sysfs_former(const struct dmr_pair *pair)
{
	struct dmr_pair *other, *former = NULL;

	mutex_lock(&dmr_sysfs_lock);
	list_for_each_entry(other, &dmr_sysfs_pairs, sysfs.node)
		if (other != pair && other->md == pair->md)
			former = other;
	mutex_unlock(&dmr_sysfs_lock);
	return former;
}

static void dmr_sysfs_begin(struct dmr_pair *pair)
{
	struct dmr_sysfs *sysfs = &pair->sysfs;
	struct dmr_status status;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sysfs->io_before); i++)
		sysfs->io_before[i] = dmr_io_counted(pair, i);
	dmr_engine_status(pair->engine, &status);
	sysfs->remaps_before = status.remaps;
	sysfs->lost_before = status.lost;
	sysfs->errors_before = status.main_read_errors + status.main_write_errors;
}

void dmr_sysfs_add(struct dmr_pair *pair)
{
	struct dmr_pair *former;
	int r;

	/* Added and removed under the suspend lock, or by who ends the pair: nobody else does now. */
	if (list_empty(&pair->sysfs.node)) {
		former = dmr_sysfs_former(pair);
		if (former)
			dmr_sysfs_remove(former);
		dmr_sysfs_begin(pair);
		mutex_lock(&dmr_sysfs_lock);
		list_add_tail(&pair->sysfs.node, &dmr_sysfs_pairs);
		mutex_unlock(&dmr_sysfs_lock);
	}
	if (pair->sysfs.directory.kobj.state_in_sysfs)
		return;
	r = dmr_kobject_add(&pair->sysfs.directory, &dmr_pair_ktype, &dmr_targets.kobj,
			    dm_disk(pair->md)->disk_name);
	if (r)
		DMWARN("no_sysfs dev=%s errno=%d", pair->name, -r);
}

int dmr_sysfs_module_init(void)
{
	int r;

	dmr_fill_lists();
	r = dmr_kobject_add(&dmr_root, &dmr_root_ktype, kernel_kobj, "dm-remap-v4");
	if (r)
		return r;
	r = dmr_kobject_add(&dmr_targets, &dmr_targets_ktype, &dmr_root.kobj, "targets");
	if (r)
		dmr_kobject_remove(&dmr_root);
	return r;
}

void dmr_sysfs_module_exit(void)
{
	dmr_kobject_remove(&dmr_targets);
	dmr_kobject_remove(&dmr_root);
	/* Where releases are delayed (CONFIG_DEBUG_KOBJECT_RELEASE), one may not have returned. */
	synchronize_rcu_tasks();
}
