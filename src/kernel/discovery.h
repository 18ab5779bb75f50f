/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Discovery: which block devices hold the metadata of a spare, and which of the others are their
 * mains. What is decided there is the core's (dm_remap/pairing.h).
 *
 * A scan opens each block device for reading, without claiming it, and reads the five header
 * places; of a live pair's devices nothing is read: the pair is asked. Each device is a work item
 * of its own, a few of them at a time: one that hangs holds up nobody but the module's unloading.
 * What is waited for ten seconds is passed over, and not asked again until it has answered.
 *
 * While auto_scan is on, the list of block devices is looked at every two seconds, without I/O, and
 * scanned if it has changed. The block class would tell of new devices at once, but with the size 0
 * that those of device-mapper and loop have at that moment, and never of their size.
 *
 * Locks: one mutex for a scan under way, in whichever task; one for the lists that it leaves; one
 * for the watch's timer. Below the first come the second, the registry's, and the looks' spinlock;
 * below the third nothing.
 */
#ifndef DMR_DISCOVERY_H
#define DMR_DISCOVERY_H

#include <linux/types.h>

int dmr_discovery_module_init(void);
/* Waits for reads under way. Nobody may call the rest any more. */
void dmr_discovery_module_exit(void);

/* Scans all block devices, and returns when the lists are new. -ENOMEM or -ERESTARTSYS: they are as
 * they were. May sleep as long as devices answer, one after the other, and ten seconds more. */
int dmr_discover(void);
bool dmr_discovering(void); /* any context */
/* auto_scan has been set. May sleep; does nothing before init and after exit. */
void dmr_discovery_watch(void);

/* Unix seconds of the last scan's end; 0: none. May sleep. */
s64 dmr_discovery_last(void);

enum dmr_discovery_list {
	DMR_DISCOVERY_DEVICES,
	DMR_DISCOVERY_PAIRS,
	DMR_DISCOVERY_LISTS,
};
/* As read(2) of the list as the last scan left it, from byte @offset on. May sleep. */
ssize_t dmr_discovery_read(enum dmr_discovery_list which, char *buffer, loff_t offset, size_t size);

#endif
