/* SPDX-License-Identifier: Apache-2.0 */
/* Only looks; runs nothing. */
#include "hub/postgres/pg_bin.h"

#include "lib/kit/file.h"
#include "lib/ssf/attr.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSIONS_DIR "/usr/lib/postgresql" /* Debian's place for them */

static bool has_programs(const char *dir)
{
	ssf_auto_free char *initdb = file_join(dir, "initdb");
	ssf_auto_free char *postgres = file_join(dir, "postgres");

	return initdb != NULL && postgres != NULL && access(initdb, X_OK) == 0 &&
	       access(postgres, X_OK) == 0;
}

static bool find_version(long version, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, VERSIONS_DIR "/%ld/bin", version);
	return version > 0 && has_programs(out);
}

static bool find_version_of(const char *pg, char out[PATH_MAX])
{
	ssf_auto_free char *path = file_join(pg, "PG_VERSION");
	ssf_auto_buf text = SSF_BUF(64);

	if (path == NULL || file_read(path, &text, NULL) < 0 || text.len == 0)
		return false;
	return find_version(strtol(text.ptr, NULL, 10), out);
}

static bool find_in_path(char out[PATH_MAX])
{
	const char *dirs = getenv("PATH");

	while (dirs != NULL && *dirs != '\0') {
		size_t len = strcspn(dirs, ":");

		if (*dirs == '/' && len < PATH_MAX) { /* the working folder is nobody's choice */
			memcpy(out, dirs, len);
			out[len] = '\0';
			if (has_programs(out))
				return true;
		}
		dirs += len + (dirs[len] == ':');
	}
	return false;
}

static bool find_newest(char out[PATH_MAX])
{
	DIR *dir = opendir(VERSIONS_DIR);
	struct dirent *e;
	long newest = 0;

	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		long version = strtol(e->d_name, NULL, 10);

		if (version > newest && find_version(version, out))
			newest = version;
	}
	closedir(dir);
	return find_version(newest, out);
}

int pg_bin_find(const char *bindir, const char *pg, char **out_initdb, char **out_postgres,
		struct ssf_err *err)
{
	ssf_auto_free char *given = NULL;
	char found[PATH_MAX];

	if (bindir != NULL) {
		given = realpath(bindir, NULL);
		if (given == NULL || !has_programs(given))
			return ssf_fail(err, SSF_E_NOT_FOUND,
					"%s: initdb and postgres are not there", bindir);
	} else if (!find_version_of(pg, found) && !find_in_path(found) && !find_newest(found)) {
		return ssf_fail(err, SSF_E_NOT_FOUND,
				"PostgreSQL's server (initdb and postgres) is not installed, "
				"neither in PATH nor in " VERSIONS_DIR);
	}
	const char *dir = given != NULL ? given : found;
	ssf_auto_free char *initdb = file_join(dir, "initdb");
	ssf_auto_free char *postgres = file_join(dir, "postgres");
	if (initdb == NULL || postgres == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	*out_initdb = SSF_STEAL(initdb);
	*out_postgres = SSF_STEAL(postgres);
	return 0;
}
