# Builds the SQL files into the program: embed_migrations(OUT_VAR) sets OUT_VAR to a generated C
# file that defines migrations[] (hub/store/migrate.h) from sql/NNNN_name.sql. It is made anew when
# one of them changes or a new one appears.
function(embed_migrations out_var)
	cmake_path(SET dir NORMALIZE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../sql")
	file(GLOB files CONFIGURE_DEPENDS "${dir}/*.sql")
	list(SORT files)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})

	set(texts "")
	set(table "")
	set(versions "")
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

		file(READ "${file}" bytes HEX)
		string(REGEX REPLACE "(..............................)" "\\1\n\t" bytes "${bytes}")
		string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
		string(APPEND texts
			"static const unsigned char sql_${number}[] = {\n\t${bytes}0x00\n};\n\n")
		string(APPEND table
			"\t{ ${version}, \"${title}\", (const char *)sql_${number} },\n")
	endforeach()

	set(out "${CMAKE_CURRENT_BINARY_DIR}/migrations.c")
	file(CONFIGURE OUTPUT "${out}" @ONLY CONTENT
"/* Generated from sql/ by hub/store/embed.cmake. */
#include \"hub/store/migrate.h\"

#include <stddef.h>

${texts}const struct migration migrations[] = {
${table}\t{ 0, NULL, NULL },
};
")
	set(${out_var} "${out}" PARENT_SCOPE)
endfunction()
