// SPDX-License-Identifier: GPL-2.0
/*
 * `dmsetup status` and `dmsetup table`: also for tables that are not live, and while suspended.
 */
#include <linux/string.h>

#include "config.h"
#include "log.h"
#include "target.h"

#define DMR_SETTING_BYTES 36 /* a name and its value on the table line */

/*
 * Whether @target's pair is its to speak of. A table that waits for its first resume may share
 * the live one's pair, and is inactive all the same.
 */
static bool dmr_is_active(const struct dmr_target *target)
{
	const struct dmr_pair *pair = dmr_target_pair(target);

	return dmr_pair_is_open(pair) && READ_ONCE(pair->active) == target;
}

static unsigned int dmr_status_info(struct dm_target *ti, char *result, unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_status status = { };
	unsigned int sz = 0;

	if (!dmr_is_active(target)) {
		DMEMIT("%s -/- - - -/%u - - - off 0/%llu", dmr_state_name(DMR_STATE_INACTIVE),
		       DMR_COPIES, (unsigned long long)ti->len);
		return sz;
	}
	dmr_engine_status(dmr_target_pair(target)->engine, &status);
	DMEMIT("%s %u/%u %llu %llu %u/%u %llu %llu %u %s %llu/%llu", dmr_state_name(status.state),
	       status.slots_used, status.slots_total, status.lost_sectors, status.sequence,
	       status.good_copies, DMR_COPIES, status.main_read_errors, status.main_write_errors,
	       status.score, dmr_scan_state_name(status.scan_state), status.scan_position,
	       (unsigned long long)ti->len);
	return sz;
}

/* The arguments that a reload of this line needs: which pair it is, and its label. */
struct dmr_identity {
	bool has_uuid;
	char uuid[DMR_UUID_TEXT_BYTES];
	char label[DMR_LABEL_BYTES];
};

static void dmr_identity_of(const struct dmr_target *target, struct dmr_identity *identity)
{
	const struct dmr_arguments *arguments = &target->arguments;
	const struct dmr_pair *pair = dmr_target_pair(target);
	struct dmr_status status = { };

	memset(identity, 0, sizeof(*identity));
	if (dmr_pair_is_open(pair)) {
		dmr_engine_status(pair->engine, &status);
		identity->has_uuid = true;
		dmr_uuid_format(status.uuid, identity->uuid);
	} else if (arguments->uuid_given || memchr_inv(target->found_uuid, 0, DMR_UUID_BYTES)) {
		identity->has_uuid = true;
		dmr_uuid_format(arguments->uuid_given ? arguments->uuid : target->found_uuid,
				identity->uuid);
	}
	memcpy(identity->label, arguments->label[0] ? arguments->label : status.label,
	       DMR_LABEL_BYTES);
}

/* What it is set to: of a live target that may have changed since. */
static u32 dmr_setting(const struct dmr_target *target, enum dmr_config config)
{
	return dmr_is_active(target) ? dmr_engine_config(dmr_target_pair(target)->engine, config) :
				       target->arguments.config[config];
}

/* Whether a reload of the line has to say so: without the word it would be as new targets are. */
static bool dmr_is_told(enum dmr_config config, u32 value)
{
	return value != dmr_config_rule_of(config)->normal || value != dmr_default(config);
}

/* The value as words of the table line. Returns how many. */
static unsigned int dmr_setting_words(enum dmr_config config, u32 value, char *words, size_t size)
{
	char text[DMR_CONFIG_TEXT_BYTES];

	if (config == DMR_CONFIG_AUTO_REMAP && !value) {
		strscpy(words, " no_auto_remap", size);
		return 1;
	}
	snprintf(words, size, " %s %s", dmr_config_rule_of(config)->name,
		 dmr_config_print(config, value, text));
	return 2;
}

static unsigned int dmr_status_table(struct dm_target *ti, char *result, unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	char setting[DMR_CONFIG_COUNT][DMR_SETTING_BYTES] = { };
	struct dmr_identity identity;
	unsigned int words, i;
	unsigned int sz = 0;
	u32 value;

	dmr_identity_of(target, &identity);
	words = (identity.has_uuid ? 2 : 0) + (identity.label[0] ? 2 : 0) +
		(target->arguments.read_only_metadata ? 1 : 0);
	for (i = 0; i < DMR_CONFIG_COUNT; i++) {
		value = dmr_setting(target, i);
		if (dmr_is_told(i, value))
			words += dmr_setting_words(i, value, setting[i], DMR_SETTING_BYTES);
	}
	DMEMIT("%s %s", target->main->name, target->spare->name);
	if (words)
		DMEMIT(" %u", words);
	if (identity.has_uuid)
		DMEMIT(" uuid %s", identity.uuid);
	if (identity.label[0])
		DMEMIT(" label %s", identity.label);
	if (target->arguments.read_only_metadata)
		DMEMIT(" read_only_metadata");
	for (i = 0; i < DMR_CONFIG_COUNT; i++)
		DMEMIT("%s", setting[i]);
	return sz;
}

static unsigned int dmr_status_ima(struct dm_target *ti, char *result, unsigned int maxlen)
{
	const struct dmr_target *target = ti->private;
	struct dmr_identity identity;
	unsigned int sz = 0;

	dmr_identity_of(target, &identity);
	DMEMIT_TARGET_NAME_VERSION(ti->type);
	DMEMIT(",main_device_name=%s,spare_device_name=%s", target->main->name,
	       target->spare->name);
	if (identity.has_uuid)
		DMEMIT(",uuid=%s", identity.uuid);
	if (identity.label[0])
		DMEMIT(",label=%s", identity.label);
	DMEMIT(";");
	return sz;
}

void dmr_status(struct dm_target *ti, status_type_t type, unsigned int status_flags, char *result,
		unsigned int maxlen)
{
	switch (type) {
	case STATUSTYPE_INFO:
		dmr_status_info(ti, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		dmr_status_table(ti, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		dmr_status_ima(ti, result, maxlen);
		break;
	}
}
