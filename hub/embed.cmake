# Builds files into the program, as arrays of bytes: a string literal may not be that long
# (-Woverlength-strings). They are generated again when one of the files changes or a new one appears.

# The initializer of an array that holds the file and a NUL.
function(embed_bytes file out_var)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
	file(READ "${file}" bytes HEX)
	string(REGEX REPLACE "(..............................)" "\\1\n\t" bytes "${bytes}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
	set(${out_var} "{\n\t${bytes}0x00\n}" PARENT_SCOPE)
endfunction()

# embed_sql(OUT_VAR) sets OUT_VAR to a generated C file that defines what hub/db/migrate.h declares: migrations[] from
# sql/schema/NNNN_name.sql, sql_functions[] from sql/functions/NAME.sql, sql_functions_revision from
# sql/functions/REVISION.
function(embed_sql out_var)
	cmake_path(SET dir NORMALIZE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../sql")
	set(texts "")
	set(schema "")
	set(versions "")
	file(GLOB files CONFIGURE_DEPENDS "${dir}/schema/*.sql")
	list(SORT files)
	foreach(file IN LISTS files)
		cmake_path(GET file FILENAME name)
		if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
			message(FATAL_ERROR "${file}: a migration is named NNNN_name.sql")
		endif()
		set(number ${CMAKE_MATCH_1})
		set(title ${CMAKE_MATCH_2})
		string(REGEX REPLACE "^0+" "" version ${number})
		if(version STREQUAL "" OR version IN_LIST versions)
			message(FATAL_ERROR "${file}: its number is 0 or taken")
		endif()
		list(APPEND versions ${version})
		embed_bytes("${file}" bytes)
		string(APPEND texts "static const unsigned char schema_${number}[] = ${bytes};\n\n")
		string(APPEND schema "\t{ ${version}, \"${title}\", (const char *)schema_${number} },\n")
	endforeach()

	set(functions "")
	file(GLOB files CONFIGURE_DEPENDS "${dir}/functions/*.sql")
	list(SORT files)
	foreach(file IN LISTS files)
		cmake_path(GET file STEM name)
		embed_bytes("${file}" bytes)
		string(APPEND texts "static const unsigned char function_${name}[] = ${bytes};\n\n")
		string(APPEND functions "\t{ \"${name}\", (const char *)function_${name} },\n")
	endforeach()
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${dir}/functions/REVISION")
	file(STRINGS "${dir}/functions/REVISION" revision LIMIT_COUNT 1)
	string(REGEX REPLACE " .*" "" revision "${revision}")

	set(out "${CMAKE_CURRENT_BINARY_DIR}/sql.c")
	file(CONFIGURE OUTPUT "${out}" @ONLY CONTENT
"/* Generated from sql/ by hub/embed.cmake. */
#include \"hub/db/migrate.h\"

#include <stddef.h>

${texts}const struct migration migrations[] = {
${schema}\t{ 0, NULL, NULL },
};

const struct sql_function sql_functions[] = {
${functions}\t{ NULL, NULL },
};

const int sql_functions_revision = ${revision};
")
	set(${out_var} "${out}" PARENT_SCOPE)
endfunction()

# embed_openapi(OUT_VAR) sets OUT_VAR to a generated C file that defines openapi_text[]
# (hub/api/openapi.h) from hub/api/openapi.json.
function(embed_openapi out_var)
	embed_bytes("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/api/openapi.json" bytes)
	set(out "${CMAKE_CURRENT_BINARY_DIR}/openapi_text.c")
	file(CONFIGURE OUTPUT "${out}" @ONLY CONTENT
"/* Generated from hub/api/openapi.json by hub/embed.cmake. */
#include \"hub/api/openapi.h\"

const unsigned char openapi_text[] = ${bytes};
")
	set(${out_var} "${out}" PARENT_SCOPE)
endfunction()
