/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam below the core: what it asks of the world it runs in.
 *
 * Implemented by src/kernel (bios, vmalloc, work items) and by src/hosted (files, a simulated pair
 * of disks). The core calls nothing else but memcpy, memset and memcmp.
 *
 * Unless a function says otherwise it is called by the one thread that owns the engine at that
 * moment (constructor, preresume, or the repair worker), may sleep, and must not allocate from
 * reserves that need this very device to be written (GFP_NOIO in the kernel).
 */
#ifndef DM_REMAP_HOST_H
#define DM_REMAP_HOST_H

#include "dm_remap/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dmr_host; /* the host's own; opaque to the core */

enum dmr_device { DMR_MAIN, DMR_SPARE };

/* How a device answered: the block layer's BLK_STS_* codes, as far as rules tell them apart. */
enum dmr_sts {
	DMR_STS_OK,
	DMR_STS_IOERR,
	DMR_STS_MEDIUM,
	DMR_STS_TARGET,
	DMR_STS_NOTSUPP,
	DMR_STS_TIMEOUT,
	DMR_STS_NOSPC,
	DMR_STS_TRANSPORT,
	DMR_STS_RESV_CONFLICT,
	DMR_STS_RESOURCE, /* also DEV_RESOURCE, AGAIN, ZONE_* resource codes */
	DMR_STS_OFFLINE,
	DMR_STS_OTHER,
};

/*
 * Blocking I/O. @sector and @sectors are the device's own sectors, multiples of its logical block;
 * @buffer is memory of the engine's arena, aligned to 512 bytes, of sectors * 512 bytes.
 * A read of any length may be asked; the host splits it as the device needs. If any part fails the
 * whole call fails and the buffer's contents are undefined.
 */
enum dmr_sts dmr_host_read(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
			   dmr_u32 sectors, void *buffer);
/* As dmr_host_read. Always with FUA: when it returns DMR_STS_OK the device says the data is stable
 * if @fua, or has at least accepted it if not. A failed write may have changed any of its sectors. */
enum dmr_sts dmr_host_write(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
			    dmr_u32 sectors, const void *buffer, int fua);
/* Empties the device's volatile cache. DMR_STS_OK: all completed writes are stable. */
enum dmr_sts dmr_host_flush(struct dmr_host *host, enum dmr_device device);

/*
 * A read or write of the application that could not simply be passed on: it failed below, or map()
 * found its sectors in a state that only the worker can write to. The host embeds this in what it
 * parks.
 */
struct dmr_request {
	struct dmr_request *next; /* in order of arrival; NULL at the end */
	dmr_u64 sector;           /* first sector, of the target */
	dmr_u32 sectors;          /* 1 or more */
	dmr_u8 is_write;
	dmr_u8 failed;            /* it was tried, and failed as the medium does */
	dmr_u8 verify;            /* main has taken it, and is to be asked whether it gives it back */
	dmr_u8 cached;            /* ... and may have it in its cache only: that is emptied before */
	/* The core's own while it has the request; the host sets both to 0. */
	dmr_u32 outcome;
	dmr_u32 done; /* sectors of a read that are behind */
};

/* How a parked request ends. */
enum dmr_outcome {
	DMR_OUTCOME_OK,        /* success */
	DMR_OUTCOME_AS_FAILED, /* with the status it failed with; EIO if it had not failed yet */
	DMR_OUTCOME_EIO,       /* EIO, whatever it failed with */
};

/* Copies @sectors sectors of a write's data, from its sector @offset_sectors on, to @buffer. The
 * application may be changing them: two calls may give different bytes. Cannot fail. */
void dmr_host_fetch(struct dmr_host *host, const struct dmr_request *request,
		    dmr_u32 offset_sectors, dmr_u32 sectors, void *buffer);
/* Copies @buffer to @sectors sectors of a read's memory, from its sector @offset_sectors on. Cannot
 * fail. */
void dmr_host_store(struct dmr_host *host, const struct dmr_request *request,
		    dmr_u32 offset_sectors, dmr_u32 sectors, const void *buffer);
/* Ends @request; it is the host's again and must not be touched after the call. */
void dmr_host_complete(struct dmr_host *host, struct dmr_request *request,
		       enum dmr_outcome outcome);

/*
 * Waits until no I/O is in flight that was routed before the call: every write, and every read
 * that found its region marked. Those that come later see all that the core stored before the call.
 * Parked requests are not in flight.
 */
void dmr_host_drain(struct dmr_host *host);

/* CRC32 of IEEE 802.3 (reflected, polynomial 0xEDB88320) as zlib's crc32(): chainable, 0 to start.
 * Any context. */
dmr_u32 dmr_host_crc32(dmr_u32 crc, const void *data, dmr_size bytes);
/* Seconds since the Unix epoch. Any context. */
dmr_u64 dmr_host_now(struct dmr_host *host);
/* Seconds of a clock that never goes back. Any context. */
dmr_u64 dmr_host_uptime(struct dmr_host *host);
/* Microseconds of a clock that never goes back and stands still while the machine sleeps. Any
 * context. */
dmr_u64 dmr_host_clock(struct dmr_host *host);
/* A random version 4 UUID. */
void dmr_host_new_uuid(struct dmr_host *host, dmr_u8 uuid[DMR_UUID_BYTES]);

/* ---- For the scanner: called by its one worker only, which may sleep. ---- */

/* Reads at idle priority and forgets what was read. Sectors of the device as for dmr_host_read(). */
enum dmr_sts dmr_host_scan_read(struct dmr_host *host, enum dmr_device device, dmr_u64 sector,
				dmr_u32 sectors);

/* What is asked of main's disk, by the scanner and by everybody else. */
struct dmr_load {
	dmr_u64 sectors; /* of I/O that has ended, ever */
	dmr_u32 waiting; /* I/O of others that is under way, as far as known */
	dmr_u8 known;    /* 0: nobody counts there */
};
void dmr_host_load(struct dmr_host *host, struct dmr_load *load);

enum dmr_event_kind {
	DMR_EVENT_REMAP,      /* a block got a slot, or more of its sectors moved there */
	DMR_EVENT_RETIRED,    /* a slot failed to write and is given up */
	DMR_EVENT_LOST,       /* sectors whose data can't be read any more */
	DMR_EVENT_SALVAGED,   /* lost sectors that were read after all, and moved to their slot */
	DMR_EVENT_UNMAP,      /* a block went back to main */
	DMR_EVENT_MAIN_FAILED, /* main as a whole is at fault: no more redirections; or that is over */
	DMR_EVENT_SPARE_FULL, /* the last free slot was taken */
	DMR_EVENT_SPARE_LOW,  /* so many slots are used as spare_low_percent says */
	DMR_EVENT_HEALTH,     /* its state has changed, or the spare will be full within a week */
	DMR_EVENT_METADATA,   /* copies were lost or came back; metadata_ro was entered or left */
	DMR_EVENT_FORMATTED,  /* a new pair was made */
	DMR_EVENT_OPENED,     /* a known pair was opened */
	DMR_EVENT_COMMIT,     /* a commit has ended; if it does not hold, the state says so */
};

/* What happened, for the log and for those who wait for events. Numbers that mean nothing are 0. */
struct dmr_event {
	enum dmr_event_kind kind;
	dmr_u64 sector;     /* first sector of the block, of the target */
	dmr_u32 slot;
	dmr_u8 sectors_mask; /* of the block: those that the event is about */
	dmr_u8 good_copies;
	dmr_u8 state;  /* enum dmr_state, of now */
	dmr_u8 health; /* enum dmr_health */
	dmr_u8 score;
	dmr_u64 sequence;
	dmr_i64 exhaustion_hours; /* -1: none in sight */
};

/* Reports. Must not block for long and must not fail: the host records it and tells others later. */
void dmr_host_event(struct dmr_host *host, const struct dmr_event *event);

/* A rule of the core's own was broken: a bug, never something that a disk can cause. Debug builds
 * only. Any context. */
void dmr_host_assert_failed(const char *expression, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif
