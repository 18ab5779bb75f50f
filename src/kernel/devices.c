// SPDX-License-Identifier: GPL-2.0
/*
 * Main and spare of a table line. See devices.h.
 */
#include <linux/blkdev.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "compat.h"
#include "devices.h"
#include "log.h"

#define DMR_OVERLAP "Main and spare overlap"

static int dmr_unfit(struct dm_target *ti, const char *word, char *error)
{
	DMERR("unfit dev=%s device=%s: %s", dm_table_device_name(ti->table), word, error);
	ti->error = error;
	return -EINVAL;
}

static char *dmr_get_error(enum dmr_device role, int r)
{
	switch (r) {
	case -ENODEV:
	case -ENXIO:
	case -ENOENT:
		return role == DMR_MAIN ? "Main device not found" : "Spare device not found";
	case -EBUSY:
		return role == DMR_MAIN ? "Main device is in use" : "Spare device is in use";
	default:
		return role == DMR_MAIN ? "Main device can't be opened" :
					  "Spare device can't be opened";
	}
}

/* Whether @word is a part of @main's disk that shares sectors with it. */
static bool dmr_word_overlaps(const struct block_device *main, const char *word)
{
	const dev_t dev = dmr_dev_from_word(word);
	struct block_device *part;
	unsigned long index;
	bool overlaps = false;

	rcu_read_lock();
	xa_for_each(&main->bd_disk->part_tbl, index, part) {
		if (part->bd_dev == dev)
			overlaps = dmr_bdevs_overlap(main, part);
	}
	rcu_read_unlock();
	return overlaps;
}

/* @main: NULL when it is main that is looked for. */
static int dmr_device_get(struct dm_target *ti, const char *word, const struct block_device *main,
			  struct dm_dev **device)
{
	int r;

	r = dm_get_device(ti, word, dm_table_get_mode(ti->table), device);
	if (!r)
		return 0;
	/* The kernel itself lets nobody hold a disk and a part of it. */
	if (r == -EBUSY && main && dmr_word_overlaps(main, word))
		return dmr_unfit(ti, word, DMR_OVERLAP);
	ti->error = dmr_get_error(main ? DMR_SPARE : DMR_MAIN, r);
	DMERR("no_device dev=%s device=%s errno=%d: %s", dm_table_device_name(ti->table), word, -r,
	      ti->error);
	return r;
}

static int dmr_device_check(struct dm_target *ti, struct dm_dev *device)
{
	if (bdev_is_zoned(device->bdev))
		return dmr_unfit(ti, device->name, "Zoned devices are not supported");
	if (device->dax_dev)
		return dmr_unfit(ti, device->name, "DAX devices are not supported");
	return 0;
}

static int dmr_devices_measure(struct dm_target *ti, struct dmr_target *target)
{
	struct dmr_geometry *geometry = &target->geometry;

	geometry->main_sectors = bdev_nr_sectors(target->main_bdev);
	geometry->spare_sectors = bdev_nr_sectors(target->spare_bdev);
	geometry->target_sectors = ti->len;
	geometry->main_logical_sectors = bdev_logical_block_size(target->main_bdev) >>
					 SECTOR_SHIFT;
	geometry->spare_logical_sectors = bdev_logical_block_size(target->spare_bdev) >>
					  SECTOR_SHIFT;
	/* Logical blocks are powers of two. */
	if ((ti->len | geometry->main_sectors) & (geometry->main_logical_sectors - 1))
		return dmr_unfit(ti, target->main->name,
				 "Length is not a multiple of main's logical block");
	return 0;
}

static int dmr_devices_check(struct dm_target *ti, struct dmr_target *target)
{
	int r;

	if (dmr_bdevs_overlap(target->main_bdev, target->spare_bdev))
		return dmr_unfit(ti, target->spare->name, DMR_OVERLAP);
	r = dmr_device_check(ti, target->main);
	if (r)
		return r;
	r = dmr_device_check(ti, target->spare);
	if (r)
		return r;
	return dmr_devices_measure(ti, target);
}

int dmr_devices_get(struct dm_target *ti, struct dmr_target *target, const char *main,
		    const char *spare)
{
	int r;

	r = dmr_device_get(ti, main, NULL, &target->main);
	if (r)
		return r;
	target->main_bdev = target->main->bdev;

	r = dmr_device_get(ti, spare, target->main_bdev, &target->spare);
	if (r)
		goto put_main;
	target->spare_bdev = target->spare->bdev;

	r = dmr_devices_check(ti, target);
	if (r)
		goto put_spare;
	return 0;

put_spare:
	dm_put_device(ti, target->spare);
put_main:
	dm_put_device(ti, target->main);
	return r;
}

void dmr_devices_put(struct dm_target *ti, struct dmr_target *target)
{
	dm_put_device(ti, target->spare);
	dm_put_device(ti, target->main);
}

void dmr_devices_identify(struct block_device *main, struct dmr_main_identity *identity)
{
	static const enum blk_unique_id types[] = { BLK_UID_NAA, BLK_UID_EUI64, BLK_UID_T10 };
	const struct block_device_operations *fops = main->bd_disk->fops;
	unsigned int i;

	memset(identity, 0, sizeof(*identity));
	for (i = 0; fops->get_unique_id && i < ARRAY_SIZE(types); i++)
		if (fops->get_unique_id(main->bd_disk, identity->unique_id, types[i]) > 0)
			break;
	if (main->bd_meta_info)
		strscpy(identity->partition_uuid, main->bd_meta_info->uuid,
			sizeof(identity->partition_uuid));
}
