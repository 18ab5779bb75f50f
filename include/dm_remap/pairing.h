/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding pairs: what the header places of a device say, and which device is the main of which
 * spare. The host looks at block devices and makes a list of what it has seen; what follows from it
 * is decided here. Nothing is written or opened: who opens a pair examines it again.
 *
 * A device is untrusted: whatever its headers hold, the worst is that it is listed as ready for a
 * main that has no other spare, or that one whose uuid or main it claims is ambiguous. So whoever opens
 * pairs by themselves has to know the uuid.
 *
 * One thread at a time for each list; does not sleep.
 */
#ifndef DM_REMAP_PAIRING_H
#define DM_REMAP_PAIRING_H

#include "dm_remap/core.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dmr_spare_state {
	DMR_SPARE_NONE,         /* nothing of ours */
	DMR_SPARE_ACTIVE,       /* a live target's */
	DMR_SPARE_READY,        /* its main is there */
	DMR_SPARE_MAIN_MISSING, /* no device could be its main */
	DMR_SPARE_AMBIGUOUS,    /* several could be, or another spare has the same uuid or main */
	DMR_SPARE_DAMAGED,      /* would be refused without further options: below the open quorum */
};
const char *dmr_spare_state_name(enum dmr_spare_state state); /* Any. */

/* What main goes by. */
struct dmr_fingerprint {
	dmr_u64 sectors;
	dmr_u32 logical_sectors;
	struct dmr_main_identity identity;
};

/* In what a recorded and a seen fingerprint agree: bits. */
enum dmr_match {
	DMR_MATCH_SIZE = 1,
	DMR_MATCH_LOGICAL_BLOCK_SIZE = 2,
	DMR_MATCH_UNIQUE_ID = 4,
	DMR_MATCH_PARTITION_UUID = 8,
};
/* Their names, comma-separated, in @text. Returns @text. Any. */
#define DMR_MATCH_TEXT_BYTES 56u
const char *dmr_match_print(dmr_u32 matched, char text[DMR_MATCH_TEXT_BYTES]);

struct dmr_spare {
	enum dmr_spare_state state;
	dmr_u8 uuid[DMR_UUID_BYTES];
	char label[DMR_LABEL_BYTES];
	dmr_u64 sequence;
	dmr_u32 good_copies; /* 0: no header verifies, and the rest is zero */
	struct dmr_fingerprint main;
};

/* A block device. */
struct dmr_seen {
	struct dmr_seen *next;
	/* By the host. */
	dmr_u32 number;             /* tells it from all others */
	const void *disk;           /* what it is part of, ... */
	dmr_u64 first_sector;       /* ... from here on */
	struct dmr_fingerprint print; /* of the device itself */
	dmr_u8 unfit;               /* as a main: by what it is, or because a live target uses it */
	struct dmr_spare spare;     /* by dmr_spare_judge(), or of a live target */
	dmr_u32 live_main;          /* of a live target's spare: main's number */
	/* By dmr_pair_up(), of spares that are active or ready; main is NULL if an active one's was
	 * not seen. */
	const struct dmr_seen *main;
	dmr_u32 confidence;         /* 0 to 100 */
	dmr_u32 matched;
};

/*
 * Judges what lies at the five header places (DMR_BLOCK_BYTES each; NULL: can't be read) of a
 * device of so many sectors, as opening would if all table blocks were there: they are not looked
 * at. The state is none, damaged, or, until dmr_pair_up(), ready. A good copy is one whose header
 * verifies and is the winner's, byte for byte.
 */
void dmr_spare_judge(struct dmr_spare *spare, const void *const headers[DMR_COPIES],
		     dmr_u64 spare_sectors);
/* Where those places are. */
dmr_u64 dmr_header_sector(dmr_u32 copy);

/*
 * Decides the state of each spare of the list. A main is never proposed that the target would
 * refuse as another one: size and logical block size must be equal, and what else both sides know
 * must be. What only one side knows counts neither way. Of several, the one with the highest
 * confidence: 50, 90 with an equal unique id or partition uuid, 100 with both; equally high ones
 * are ambiguous, and so are two spares with the same main. A spare is nobody's main.
 */
void dmr_pair_up(struct dmr_seen *list);

#ifdef __cplusplus
}
#endif

#endif
