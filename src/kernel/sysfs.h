/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /sys/kernel/dm-remap-v4: the module's files, and a directory for each live target.
 * docs/SYSFS.md lists them.
 *
 * A directory belongs to a pair, not to a table: it appears at the pair's first resume, stays when
 * a reload takes the pair over, and goes when the pair ends, or when the device is resumed with
 * another pair. A table that was not resumed has none.
 *
 * Lifetime. Removing a directory (kobject_del) waits for reads and writes of its files that are
 * under way; later ones, of files that are still open, get ENODEV from the kernel. Then the
 * object's release is waited for, so pair and module may go.
 *
 * Locks. A show or store runs with its file's active reference, which the removal waits for: so it
 * takes nothing that is held while a directory is removed or tables change - not device-mapper's
 * suspend lock, not the registry's mutex - and does not wait for the worker or for I/O. What it may
 * take: dmr_sysfs_lock (files of the module only), scan.lock, device-mapper's lock of names; all of
 * them after the active reference. dmr_sysfs_lock guards the list of targets and the totals of
 * those that are gone, and is not held while a directory is made or removed. Below the suspend lock
 * come: making a directory, and removing another pair's.
 *
 * discovery/scan is the exception: it takes what discovery.h says, the registry's mutex among it, and
 * waits for I/O. It is in the root's directory, which goes when there are no targets left.
 *
 * What is shown of I/O is what the block layer counts for the target's own disk, so nothing is
 * counted here.
 */
#ifndef DMR_SYSFS_H
#define DMR_SYSFS_H

#include <linux/completion.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/sysfs.h>
#include <linux/types.h>

struct dmr_pair;

/* A file. @pair: whose directory it is in; NULL in the module's own. Both may sleep, see above. */
struct dmr_file {
	struct attribute attr;
	/* Writes to @page, PAGE_SIZE bytes, as sysfs_emit() does; the length, or -errno. */
	ssize_t (*show)(struct dmr_pair *pair, const struct dmr_file *file, char *page);
	/* @text: all that was written, a line's end included. 0 or -errno. */
	int (*store)(struct dmr_pair *pair, const struct dmr_file *file, const char *text);
	unsigned int which; /* for files that share their functions */
};

/* A directory that is an object of its own. */
struct dmr_kobject {
	struct kobject kobj;
	struct completion released;
};

/* What the block layer counts of a target's own disk. */
enum dmr_io {
	DMR_IO_READS,
	DMR_IO_WRITES,
	DMR_IO_READ_SECTORS,
	DMR_IO_WRITE_SECTORS,
	DMR_IO_COUNT,
};

/* A pair's part. */
struct dmr_sysfs {
	struct dmr_kobject directory;
	struct list_head node; /* of the targets, whether or not the directory could be made */
	/* When it was listed. */
	u64 io_before[DMR_IO_COUNT];
	u64 remaps_before, lost_before, errors_before;
};

int dmr_sysfs_module_init(void);
/* After the target was unregistered. Waits for files in use. */
void dmr_sysfs_module_exit(void);

void dmr_sysfs_init(struct dmr_pair *pair);
/*
 * Resume: from now on the pair is in the totals and has a directory, and no other pair of the same
 * device. To fail to make the directory is logged and changes nothing else. Under device-mapper's suspend lock; may sleep, must not wait for
 * I/O (memalloc_noio_save()).
 */
void dmr_sysfs_add(struct dmr_pair *pair);
/* Its I/O since it was listed. Any context. */
u64 dmr_sysfs_io(const struct dmr_pair *pair, enum dmr_io io);
/* The pair ends, with the devices still there. Does nothing if it was not added. May sleep. */
void dmr_sysfs_remove(struct dmr_pair *pair);

#endif
