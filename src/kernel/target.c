// SPDX-License-Identifier: GPL-2.0
/*
 * The target: tables made, resumed, suspended and destroyed.
 *
 * The constructor writes nothing, and what it reads is read again at the first resume: another
 * table may be live in between. What a constructor finds to be a reload of a running pair shares
 * it from then on, and takes it over in preresume.
 */
#include <linux/err.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "bio.h"
#include "compat.h"
#include "config.h"
#include "devices.h"
#include "log.h"
#include "refusal.h"
#include "target.h"

/* ---- Constructor ---- */

static int dmr_parse(struct dm_target *ti, struct dmr_target *target, unsigned int argc,
		     char **argv)
{
	const char *const *words;
	const char *reason;
	u32 bad;

	if (argc < 2) {
		ti->error = "Main and spare device are required";
		DMERR("arguments dev=%s: %s", dm_table_device_name(ti->table), ti->error);
		return -EINVAL;
	}
	words = (const char *const *)argv + 2;
	reason = dmr_arguments_parse(&target->arguments, argc - 2, words, &bad);
	if (!reason) {
		dmr_defaults_fill(&target->arguments);
		return 0;
	}
	ti->error = (char *)reason;
	DMERR("arguments dev=%s word=%s: %s", dm_table_device_name(ti->table),
	      bad < argc - 2 ? words[bad] : "-", reason);
	return -EINVAL;
}

/* Names the refusal for those who only see ti->error. */
static int dmr_refuse_table(struct dm_target *ti, const struct dmr_target *target,
			    enum dmr_refusal refusal, const struct dmr_report *report)
{
	ti->error = (char *)dmr_refusal_text(refusal);
	return dmr_refuse(ti, target, refusal, report);
}

/* What is found of a pair that runs. */
static void dmr_report_running(const struct dmr_engine *engine, struct dmr_report *report)
{
	struct dmr_status status;

	dmr_engine_status(engine, &status);
	memset(report, 0, sizeof(*report));
	memcpy(report->found_uuid, status.uuid, DMR_UUID_BYTES);
	report->found_sequence = status.sequence;
	report->headers_valid = status.good_copies;
	report->votes = status.good_copies;
}

/* A reload: may the running pair serve this table too? */
static int dmr_check_running(struct dm_target *ti, const struct dmr_target *target)
{
	const struct dmr_engine *engine = target->pair->engine;
	struct dmr_report report;
	enum dmr_refusal refusal;

	refusal = dmr_engine_adoptable(engine, &target->geometry, &target->arguments);
	if (!refusal)
		return 0;
	dmr_report_running(engine, &report);
	return dmr_refuse_table(ti, target, refusal, &report);
}

/* A pair of this table's own, and a look at the spare. */
static int dmr_make_pair(struct dm_target *ti, struct dmr_target *target)
{
	struct dmr_main_identity identity;
	struct dmr_report report = { };
	enum dmr_refusal refusal;

	dmr_devices_identify(target->main_bdev, &identity);
	target->pair = dmr_pair_create(dm_table_get_md(ti->table), target->main_bdev,
				       target->spare_bdev, &target->geometry, &identity);
	if (IS_ERR(target->pair)) {
		ti->error = "Cannot allocate the pair";
		return PTR_ERR(target->pair);
	}
	refusal = dmr_engine_probe(target->pair->engine, &target->arguments, &report);
	if (!refusal && report.will_format && !target->writable)
		refusal = DMR_REFUSED_READ_ONLY;
	if (refusal) {
		dmr_pair_put(target->pair);
		return dmr_refuse_table(ti, target, refusal, &report);
	}
	if (!report.will_format)
		memcpy(target->found_uuid, report.found_uuid, DMR_UUID_BYTES);
	return 0;
}

static int dmr_find_pair(struct dm_target *ti, struct dmr_target *target)
{
	enum dmr_refusal refusal;
	int r;

	refusal = dmr_geometry_check(&target->geometry);
	if (refusal)
		return dmr_refuse_table(ti, target, refusal, NULL);
	target->pair = dmr_pair_find(dm_table_get_md(ti->table), target->main_bdev,
				     target->spare_bdev);
	if (IS_ERR(target->pair)) {
		ti->error = "Main or spare is in use by another pair";
		return PTR_ERR(target->pair);
	}
	if (!target->pair)
		return dmr_make_pair(ti, target);
	r = dmr_check_running(ti, target);
	if (r)
		dmr_pair_put(target->pair);
	return r;
}

static void dmr_offer(struct dm_target *ti, const struct dmr_target *target)
{
	ti->num_flush_bios = 2;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->num_secure_erase_bios = 0;
	/* Main alone decides: a discard goes nowhere else. */
	ti->discards_supported = bdev_max_discard_sectors(target->main_bdev) != 0;
	ti->per_io_data_size = sizeof(struct dmr_bio);
}

static int dmr_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dmr_target *target;
	int r;

	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "Cannot allocate the target";
		return -ENOMEM;
	}
	target->writable = dm_table_get_mode(ti->table) & DMR_MODE_WRITE;
	r = dmr_parse(ti, target, argc, argv);
	if (r)
		goto free_target;
	r = dmr_devices_get(ti, target, argv[0], argv[1]);
	if (r)
		goto free_target;
	r = dmr_find_pair(ti, target);
	if (r)
		goto put_devices;
	target->regions = dmr_engine_regions(target->pair->engine);
	dmr_offer(ti, target);
	ti->private = target;
	return 0;

put_devices:
	dmr_devices_put(ti, target);
free_target:
	kfree(target);
	return r;
}

static void dmr_dtr(struct dm_target *ti)
{
	struct dmr_target *target = ti->private;
	struct dmr_pair *pair = target->pair;

	dmr_events_detach(&pair->host.events, ti);
	cmpxchg(&pair->active, target, NULL);
	dmr_pair_put(pair);
	if (target->unused_pair)
		dmr_pair_put(target->unused_pair);
	dmr_devices_put(ti, target);
	kfree(target);
}

/* ---- Suspend and resume: all under device-mapper's suspend lock ---- */

static int dmr_adopt(struct dm_target *ti, struct dmr_target *target)
{
	struct dmr_pair *pair = target->pair;
	struct dmr_report report;
	enum dmr_refusal refusal;

	refusal = dmr_engine_adopt(pair->engine, &target->geometry, &target->arguments,
				   !target->writable);
	if (refusal) {
		dmr_report_running(pair->engine, &report);
		return dmr_refuse(ti, target, refusal, &report);
	}
	dmr_debug(1, "adopted dev=%s", pair->name);
	return 0;
}

static void dmr_tell_unused(const struct dmr_target *target)
{
	const u64 used = DMR_METADATA_SECTORS + (u64)DMR_SLOTS_MAX * DMR_BLOCK_SECTORS;

	if (target->geometry.spare_sectors > used)
		DMINFO("spare_oversized dev=%s spare=%s sectors=%llu used=%llu",
		       target->pair->name, target->spare->name, target->geometry.spare_sectors,
		       used);
}

static int dmr_open(struct dm_target *ti, struct dmr_target *target)
{
	struct dmr_pair *pair = target->pair;
	struct dmr_report report = { };
	enum dmr_refusal refusal;

	refusal = dmr_engine_open(pair->engine, &target->arguments, !target->writable, &report);
	dmr_pair_opened(pair, refusal == DMR_ACCEPTED);
	if (refusal)
		return dmr_refuse(ti, target, refusal, &report);
	dmr_tell_unused(target);
	return 0;
}

static int dmr_take_over(struct dm_target *ti, struct dmr_target *target)
{
	struct dmr_pair *pair = dmr_pair_claim(target->pair);
	int r;

	if (IS_ERR(pair))
		return PTR_ERR(pair);
	if (pair != target->pair) {
		target->unused_pair = target->pair;
		target->regions = dmr_engine_regions(pair->engine);
		WRITE_ONCE(target->pair, pair);
	}
	if (pair->active == target)
		return 0; /* suspended and resumed */
	r = dmr_pair_is_open(pair) ? dmr_adopt(ti, target) : dmr_open(ti, target);
	if (!r)
		WRITE_ONCE(pair->active, target);
	return r;
}

/* May be called again without a resume, whether it failed or not. */
static int dmr_preresume(struct dm_target *ti)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	r = dmr_take_over(ti, ti->private);
	memalloc_noio_restore(noio);
	return r;
}

static void dmr_resume(struct dm_target *ti)
{
	struct dmr_target *target = ti->private;
	unsigned int noio = memalloc_noio_save();

	dmr_sysfs_add(target->pair);
	memalloc_noio_restore(noio);
	dmr_pair_resume(target->pair);
	dmr_events_attach(&target->pair->host.events, ti);
}

static void dmr_presuspend(struct dm_target *ti)
{
	struct dmr_target *target = ti->private;

	if (target->pair->active == target)
		dmr_pair_presuspend(target->pair);
}

static void dmr_presuspend_undo(struct dm_target *ti)
{
	struct dmr_target *target = ti->private;

	if (target->pair->active == target)
		dmr_pair_resume(target->pair);
}

static void dmr_postsuspend(struct dm_target *ti)
{
	struct dmr_target *target = ti->private;
	struct dmr_pair *pair = target->pair;
	unsigned int noio;

	if (pair->active != target)
		return; /* never resumed */
	dmr_events_detach(&pair->host.events, ti);
	dmr_pair_suspend(pair);
	if (!target->writable)
		return;
	noio = memalloc_noio_save();
	dmr_engine_settle(pair->engine);
	memalloc_noio_restore(noio);
}

/* ---- The rest ---- */

static int dmr_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	const struct dmr_target *target = ti->private;
	const u64 spare_used = DMR_METADATA_SECTORS + (u64)DMR_SLOTS_MAX * DMR_BLOCK_SECTORS;
	int r;

	r = fn(ti, target->main, 0, ti->len, data);
	if (r)
		return r;
	return fn(ti, target->spare, 0,
		  min(round_down(target->geometry.spare_sectors, DMR_BLOCK_SECTORS), spare_used),
		  data);
}

/*
 * No prepare_ioctl: device-mapper then answers ENOTTY to all ioctls but its own and the block
 * layer's, SG_IO among them, which would go past the redirections. No io_hints: the limits of both
 * devices together are right.
 */
struct target_type dmr_target_type = {
	.name = "remap",
	.version = { 4, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = dmr_ctr,
	.dtr = dmr_dtr,
	.map = dmr_map,
	.end_io = dmr_end_io,
	.presuspend = dmr_presuspend,
	.presuspend_undo = dmr_presuspend_undo,
	.preresume = dmr_preresume,
	.resume = dmr_resume,
	.postsuspend = dmr_postsuspend,
	.status = dmr_status,
	.message = dmr_message,
	.iterate_devices = dmr_iterate_devices,
};
