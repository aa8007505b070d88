-- The number that a text is, if it has at most 15 digits before the point; else NULL.
CREATE OR REPLACE FUNCTION {core}.as_number(value text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^-?[0-9]{1,15}(\.[0-9]{1,30})?$' THEN value::numeric END;

-- The whole number that a text is, if it has at most 9 digits; else NULL.
CREATE OR REPLACE FUNCTION {core}.as_integer(value text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^-?[0-9]{1,9}(\.0{0,30})?$' THEN value::numeric::integer END;

-- Whether a text says yes (1, true) or no (0, false); else NULL.
CREATE OR REPLACE FUNCTION {core}.as_boolean(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE value WHEN '1' THEN true WHEN 'true' THEN true WHEN '0' THEN false WHEN 'false' THEN false END;

-- The day with which a text begins, written YYYY-MM-DD, if there is such a day; else NULL.
CREATE OR REPLACE FUNCTION {core}.as_date(value text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([ T]|$)' THEN
    CASE WHEN substr(value, 9, 2)::integer <= extract(
        day FROM make_date(substr(value, 1, 4)::integer, substr(value, 6, 2)::integer, 1) + interval '1 month -1 day'
    ) THEN make_date(substr(value, 1, 4)::integer, substr(value, 6, 2)::integer, substr(value, 9, 2)::integer) END
END;

-- The moment that a text is, written YYYY-MM-DD HH:MM:SS in UTC, if there is such a moment; else NULL.
CREATE OR REPLACE FUNCTION {core}.as_moment(value text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value ~ '^[0-9-]{10}[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|\+00:?00)?$'
    THEN ({core}.as_date(value) + make_time(
        substr(value, 12, 2)::integer, substr(value, 15, 2)::integer,
        split_part(split_part(substr(value, 18), 'Z', 1), '+', 1)::double precision
    )) AT TIME ZONE 'UTC'
END;

-- The whole hour of a day that a text is, from 0 to 23; else NULL.
CREATE OR REPLACE FUNCTION {core}.as_hour(value text) RETURNS time LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^(1?[0-9]|2[0-3])(\.0{0,30})?$' THEN make_time(value::numeric::integer, 0, 0) END;

-- The name of a time zone that every server knows, of an old name the new one; else NULL.
CREATE OR REPLACE FUNCTION {core}.known_zone(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value IN (
        'Africa/Abidjan', 'Africa/Accra', 'Africa/Addis_Ababa', 'Africa/Algiers', 'Africa/Asmara',
        'Africa/Bamako', 'Africa/Bangui', 'Africa/Banjul', 'Africa/Bissau', 'Africa/Blantyre',
        'Africa/Brazzaville', 'Africa/Bujumbura', 'Africa/Cairo', 'Africa/Casablanca', 'Africa/Ceuta',
        'Africa/Conakry', 'Africa/Dakar', 'Africa/Dar_es_Salaam', 'Africa/Djibouti', 'Africa/Douala',
        'Africa/El_Aaiun', 'Africa/Freetown', 'Africa/Gaborone', 'Africa/Harare', 'Africa/Johannesburg',
        'Africa/Juba', 'Africa/Kampala', 'Africa/Khartoum', 'Africa/Kigali', 'Africa/Kinshasa', 'Africa/Lagos',
        'Africa/Libreville', 'Africa/Lome', 'Africa/Luanda', 'Africa/Lubumbashi', 'Africa/Lusaka',
        'Africa/Malabo', 'Africa/Maputo', 'Africa/Maseru', 'Africa/Mbabane', 'Africa/Mogadishu',
        'Africa/Monrovia', 'Africa/Nairobi', 'Africa/Ndjamena', 'Africa/Niamey', 'Africa/Nouakchott',
        'Africa/Ouagadougou', 'Africa/Porto-Novo', 'Africa/Sao_Tome', 'Africa/Tripoli', 'Africa/Tunis',
        'Africa/Windhoek', 'America/Adak', 'America/Anchorage', 'America/Anguilla', 'America/Antigua',
        'America/Araguaina', 'America/Argentina/Buenos_Aires', 'America/Argentina/Catamarca',
        'America/Argentina/Cordoba', 'America/Argentina/Jujuy', 'America/Argentina/La_Rioja',
        'America/Argentina/Mendoza', 'America/Argentina/Rio_Gallegos', 'America/Argentina/Salta',
        'America/Argentina/San_Juan', 'America/Argentina/San_Luis', 'America/Argentina/Tucuman',
        'America/Argentina/Ushuaia', 'America/Aruba', 'America/Asuncion', 'America/Atikokan', 'America/Bahia',
        'America/Bahia_Banderas', 'America/Barbados', 'America/Belem', 'America/Belize', 'America/Blanc-Sablon',
        'America/Boa_Vista', 'America/Bogota', 'America/Boise', 'America/Cambridge_Bay', 'America/Campo_Grande',
        'America/Cancun', 'America/Caracas', 'America/Cayenne', 'America/Cayman', 'America/Chicago',
        'America/Chihuahua', 'America/Costa_Rica', 'America/Creston', 'America/Cuiaba', 'America/Curacao',
        'America/Danmarkshavn', 'America/Dawson', 'America/Dawson_Creek', 'America/Denver', 'America/Detroit',
        'America/Dominica', 'America/Edmonton', 'America/Eirunepe', 'America/El_Salvador',
        'America/Fort_Nelson', 'America/Fortaleza', 'America/Glace_Bay', 'America/Goose_Bay',
        'America/Grand_Turk', 'America/Grenada', 'America/Guadeloupe', 'America/Guatemala', 'America/Guayaquil',
        'America/Guyana', 'America/Halifax', 'America/Havana', 'America/Hermosillo',
        'America/Indiana/Indianapolis', 'America/Indiana/Knox', 'America/Indiana/Marengo',
        'America/Indiana/Petersburg', 'America/Indiana/Tell_City', 'America/Indiana/Vevay',
        'America/Indiana/Vincennes', 'America/Indiana/Winamac', 'America/Inuvik', 'America/Iqaluit',
        'America/Jamaica', 'America/Juneau', 'America/Kentucky/Louisville', 'America/Kentucky/Monticello',
        'America/Kralendijk', 'America/La_Paz', 'America/Lima', 'America/Los_Angeles', 'America/Lower_Princes',
        'America/Maceio', 'America/Managua', 'America/Manaus', 'America/Marigot', 'America/Martinique',
        'America/Matamoros', 'America/Mazatlan', 'America/Menominee', 'America/Merida', 'America/Metlakatla',
        'America/Mexico_City', 'America/Miquelon', 'America/Moncton', 'America/Monterrey', 'America/Montevideo',
        'America/Montserrat', 'America/Nassau', 'America/New_York', 'America/Nome', 'America/Noronha',
        'America/North_Dakota/Beulah', 'America/North_Dakota/Center', 'America/North_Dakota/New_Salem',
        'America/Nuuk', 'America/Ojinaga', 'America/Panama', 'America/Paramaribo', 'America/Phoenix',
        'America/Port-au-Prince', 'America/Port_of_Spain', 'America/Porto_Velho', 'America/Puerto_Rico',
        'America/Punta_Arenas', 'America/Rankin_Inlet', 'America/Recife', 'America/Regina', 'America/Resolute',
        'America/Rio_Branco', 'America/Santarem', 'America/Santiago', 'America/Santo_Domingo',
        'America/Sao_Paulo', 'America/Scoresbysund', 'America/Sitka', 'America/St_Barthelemy',
        'America/St_Johns', 'America/St_Kitts', 'America/St_Lucia', 'America/St_Thomas', 'America/St_Vincent',
        'America/Swift_Current', 'America/Tegucigalpa', 'America/Thule', 'America/Tijuana', 'America/Toronto',
        'America/Tortola', 'America/Vancouver', 'America/Whitehorse', 'America/Winnipeg', 'America/Yakutat',
        'Antarctica/Casey', 'Antarctica/Davis', 'Antarctica/DumontDUrville', 'Antarctica/Macquarie',
        'Antarctica/Mawson', 'Antarctica/McMurdo', 'Antarctica/Palmer', 'Antarctica/Rothera',
        'Antarctica/Syowa', 'Antarctica/Troll', 'Antarctica/Vostok', 'Arctic/Longyearbyen', 'Asia/Aden',
        'Asia/Almaty', 'Asia/Amman', 'Asia/Anadyr', 'Asia/Aqtau', 'Asia/Aqtobe', 'Asia/Ashgabat', 'Asia/Atyrau',
        'Asia/Baghdad', 'Asia/Bahrain', 'Asia/Baku', 'Asia/Bangkok', 'Asia/Barnaul', 'Asia/Beirut',
        'Asia/Bishkek', 'Asia/Brunei', 'Asia/Chita', 'Asia/Colombo', 'Asia/Damascus', 'Asia/Dhaka', 'Asia/Dili',
        'Asia/Dubai', 'Asia/Dushanbe', 'Asia/Famagusta', 'Asia/Gaza', 'Asia/Hebron', 'Asia/Ho_Chi_Minh',
        'Asia/Hong_Kong', 'Asia/Hovd', 'Asia/Irkutsk', 'Asia/Jakarta', 'Asia/Jayapura', 'Asia/Jerusalem',
        'Asia/Kabul', 'Asia/Kamchatka', 'Asia/Karachi', 'Asia/Kathmandu', 'Asia/Khandyga', 'Asia/Kolkata',
        'Asia/Krasnoyarsk', 'Asia/Kuala_Lumpur', 'Asia/Kuching', 'Asia/Kuwait', 'Asia/Macau', 'Asia/Magadan',
        'Asia/Makassar', 'Asia/Manila', 'Asia/Muscat', 'Asia/Nicosia', 'Asia/Novokuznetsk', 'Asia/Novosibirsk',
        'Asia/Omsk', 'Asia/Oral', 'Asia/Phnom_Penh', 'Asia/Pontianak', 'Asia/Pyongyang', 'Asia/Qatar',
        'Asia/Qostanay', 'Asia/Qyzylorda', 'Asia/Riyadh', 'Asia/Sakhalin', 'Asia/Samarkand', 'Asia/Seoul',
        'Asia/Shanghai', 'Asia/Singapore', 'Asia/Srednekolymsk', 'Asia/Taipei', 'Asia/Tashkent', 'Asia/Tbilisi',
        'Asia/Tehran', 'Asia/Thimphu', 'Asia/Tokyo', 'Asia/Tomsk', 'Asia/Ulaanbaatar', 'Asia/Urumqi',
        'Asia/Ust-Nera', 'Asia/Vientiane', 'Asia/Vladivostok', 'Asia/Yakutsk', 'Asia/Yangon',
        'Asia/Yekaterinburg', 'Asia/Yerevan', 'Atlantic/Azores', 'Atlantic/Bermuda', 'Atlantic/Canary',
        'Atlantic/Cape_Verde', 'Atlantic/Faroe', 'Atlantic/Madeira', 'Atlantic/Reykjavik',
        'Atlantic/South_Georgia', 'Atlantic/St_Helena', 'Atlantic/Stanley', 'Australia/Adelaide',
        'Australia/Brisbane', 'Australia/Broken_Hill', 'Australia/Darwin', 'Australia/Eucla',
        'Australia/Hobart', 'Australia/Lindeman', 'Australia/Lord_Howe', 'Australia/Melbourne',
        'Australia/Perth', 'Australia/Sydney', 'Europe/Amsterdam', 'Europe/Andorra', 'Europe/Astrakhan',
        'Europe/Athens', 'Europe/Belgrade', 'Europe/Berlin', 'Europe/Bratislava', 'Europe/Brussels',
        'Europe/Bucharest', 'Europe/Budapest', 'Europe/Busingen', 'Europe/Chisinau', 'Europe/Copenhagen',
        'Europe/Dublin', 'Europe/Gibraltar', 'Europe/Guernsey', 'Europe/Helsinki', 'Europe/Isle_of_Man',
        'Europe/Istanbul', 'Europe/Jersey', 'Europe/Kaliningrad', 'Europe/Kirov', 'Europe/Kyiv',
        'Europe/Lisbon', 'Europe/Ljubljana', 'Europe/London', 'Europe/Luxembourg', 'Europe/Madrid',
        'Europe/Malta', 'Europe/Mariehamn', 'Europe/Minsk', 'Europe/Monaco', 'Europe/Moscow', 'Europe/Oslo',
        'Europe/Paris', 'Europe/Podgorica', 'Europe/Prague', 'Europe/Riga', 'Europe/Rome', 'Europe/Samara',
        'Europe/San_Marino', 'Europe/Sarajevo', 'Europe/Saratov', 'Europe/Simferopol', 'Europe/Skopje',
        'Europe/Sofia', 'Europe/Stockholm', 'Europe/Tallinn', 'Europe/Tirane', 'Europe/Ulyanovsk',
        'Europe/Vaduz', 'Europe/Vatican', 'Europe/Vienna', 'Europe/Vilnius', 'Europe/Volgograd',
        'Europe/Warsaw', 'Europe/Zagreb', 'Europe/Zurich', 'Indian/Antananarivo', 'Indian/Chagos',
        'Indian/Christmas', 'Indian/Cocos', 'Indian/Comoro', 'Indian/Kerguelen', 'Indian/Mahe',
        'Indian/Maldives', 'Indian/Mauritius', 'Indian/Mayotte', 'Indian/Reunion', 'Pacific/Apia',
        'Pacific/Auckland', 'Pacific/Bougainville', 'Pacific/Chatham', 'Pacific/Chuuk', 'Pacific/Easter',
        'Pacific/Efate', 'Pacific/Fakaofo', 'Pacific/Fiji', 'Pacific/Funafuti', 'Pacific/Galapagos',
        'Pacific/Gambier', 'Pacific/Guadalcanal', 'Pacific/Guam', 'Pacific/Honolulu', 'Pacific/Kanton',
        'Pacific/Kiritimati', 'Pacific/Kosrae', 'Pacific/Kwajalein', 'Pacific/Majuro', 'Pacific/Marquesas',
        'Pacific/Midway', 'Pacific/Nauru', 'Pacific/Niue', 'Pacific/Norfolk', 'Pacific/Noumea',
        'Pacific/Pago_Pago', 'Pacific/Palau', 'Pacific/Pitcairn', 'Pacific/Pohnpei', 'Pacific/Port_Moresby',
        'Pacific/Rarotonga', 'Pacific/Saipan', 'Pacific/Tahiti', 'Pacific/Tarawa', 'Pacific/Tongatapu',
        'Pacific/Wake', 'Pacific/Wallis', 'UTC'
    ) THEN value
    WHEN value IN ('Africa/Timbuktu', 'Iceland') THEN 'Africa/Abidjan'
    WHEN value IN ('Egypt') THEN 'Africa/Cairo'
    WHEN value IN ('Africa/Asmera') THEN 'Africa/Nairobi'
    WHEN value IN ('America/Atka', 'US/Aleutian') THEN 'America/Adak'
    WHEN value IN ('US/Alaska') THEN 'America/Anchorage'
    WHEN value IN ('America/Buenos_Aires') THEN 'America/Argentina/Buenos_Aires'
    WHEN value IN ('America/Argentina/ComodRivadavia', 'America/Catamarca') THEN 'America/Argentina/Catamarca'
    WHEN value IN ('America/Cordoba', 'America/Rosario') THEN 'America/Argentina/Cordoba'
    WHEN value IN ('America/Jujuy') THEN 'America/Argentina/Jujuy'
    WHEN value IN ('America/Mendoza') THEN 'America/Argentina/Mendoza'
    WHEN value IN ('US/Central') THEN 'America/Chicago'
    WHEN value IN ('America/Shiprock', 'US/Mountain') THEN 'America/Denver'
    WHEN value IN ('US/Michigan') THEN 'America/Detroit'
    WHEN value IN ('America/Yellowknife', 'Canada/Mountain') THEN 'America/Edmonton'
    WHEN value IN ('Canada/Atlantic') THEN 'America/Halifax'
    WHEN value IN ('Cuba') THEN 'America/Havana'
    WHEN value IN ('America/Fort_Wayne', 'America/Indianapolis', 'US/East-Indiana') THEN 'America/Indiana/Indianapolis'
    WHEN value IN ('America/Knox_IN', 'US/Indiana-Starke') THEN 'America/Indiana/Knox'
    WHEN value IN ('America/Pangnirtung') THEN 'America/Iqaluit'
    WHEN value IN ('Jamaica') THEN 'America/Jamaica'
    WHEN value IN ('America/Louisville') THEN 'America/Kentucky/Louisville'
    WHEN value IN ('US/Pacific') THEN 'America/Los_Angeles'
    WHEN value IN ('Brazil/West') THEN 'America/Manaus'
    WHEN value IN ('Mexico/BajaSur') THEN 'America/Mazatlan'
    WHEN value IN ('Mexico/General') THEN 'America/Mexico_City'
    WHEN value IN ('US/Eastern') THEN 'America/New_York'
    WHEN value IN ('Brazil/DeNoronha') THEN 'America/Noronha'
    WHEN value IN ('America/Godthab') THEN 'America/Nuuk'
    WHEN value IN ('America/Coral_Harbour') THEN 'America/Panama'
    WHEN value IN ('US/Arizona') THEN 'America/Phoenix'
    WHEN value IN ('America/Virgin') THEN 'America/Puerto_Rico'
    WHEN value IN ('Canada/Saskatchewan') THEN 'America/Regina'
    WHEN value IN ('America/Porto_Acre', 'Brazil/Acre') THEN 'America/Rio_Branco'
    WHEN value IN ('Chile/Continental') THEN 'America/Santiago'
    WHEN value IN ('Brazil/East') THEN 'America/Sao_Paulo'
    WHEN value IN ('Canada/Newfoundland') THEN 'America/St_Johns'
    WHEN value IN ('America/Ensenada', 'America/Santa_Isabel', 'Mexico/BajaNorte') THEN 'America/Tijuana'
        WHEN value IN ('America/Montreal', 'America/Nipigon', 'America/Thunder_Bay', 'Canada/Eastern') THEN
        'America/Toronto'
    WHEN value IN ('Canada/Pacific') THEN 'America/Vancouver'
    WHEN value IN ('Canada/Yukon') THEN 'America/Whitehorse'
    WHEN value IN ('America/Rainy_River', 'Canada/Central') THEN 'America/Winnipeg'
    WHEN value IN ('Asia/Ashkhabad') THEN 'Asia/Ashgabat'
    WHEN value IN ('Asia/Dacca') THEN 'Asia/Dhaka'
    WHEN value IN ('Asia/Saigon') THEN 'Asia/Ho_Chi_Minh'
    WHEN value IN ('Hongkong') THEN 'Asia/Hong_Kong'
    WHEN value IN ('Asia/Tel_Aviv', 'Israel') THEN 'Asia/Jerusalem'
    WHEN value IN ('Asia/Katmandu') THEN 'Asia/Kathmandu'
    WHEN value IN ('Asia/Calcutta') THEN 'Asia/Kolkata'
    WHEN value IN ('Asia/Macao') THEN 'Asia/Macau'
    WHEN value IN ('Asia/Ujung_Pandang') THEN 'Asia/Makassar'
    WHEN value IN ('Europe/Nicosia') THEN 'Asia/Nicosia'
    WHEN value IN ('ROK') THEN 'Asia/Seoul'
    WHEN value IN ('Asia/Chongqing', 'Asia/Chungking', 'Asia/Harbin', 'PRC') THEN 'Asia/Shanghai'
    WHEN value IN ('Singapore') THEN 'Asia/Singapore'
    WHEN value IN ('Iran') THEN 'Asia/Tehran'
    WHEN value IN ('Asia/Thimbu') THEN 'Asia/Thimphu'
    WHEN value IN ('Japan') THEN 'Asia/Tokyo'
    WHEN value IN ('Asia/Choibalsan', 'Asia/Ulan_Bator') THEN 'Asia/Ulaanbaatar'
    WHEN value IN ('Asia/Kashgar') THEN 'Asia/Urumqi'
    WHEN value IN ('Asia/Rangoon') THEN 'Asia/Yangon'
    WHEN value IN ('Atlantic/Faeroe') THEN 'Atlantic/Faroe'
    WHEN value IN ('Australia/South') THEN 'Australia/Adelaide'
    WHEN value IN ('Australia/Queensland') THEN 'Australia/Brisbane'
    WHEN value IN ('Australia/Yancowinna') THEN 'Australia/Broken_Hill'
    WHEN value IN ('Australia/North') THEN 'Australia/Darwin'
    WHEN value IN ('Australia/Currie', 'Australia/Tasmania') THEN 'Australia/Hobart'
    WHEN value IN ('Australia/LHI') THEN 'Australia/Lord_Howe'
    WHEN value IN ('Australia/Victoria') THEN 'Australia/Melbourne'
    WHEN value IN ('Australia/West') THEN 'Australia/Perth'
    WHEN value IN ('Australia/ACT', 'Australia/Canberra', 'Australia/NSW') THEN 'Australia/Sydney'
    WHEN value IN ('Atlantic/Jan_Mayen') THEN 'Europe/Berlin'
    WHEN value IN ('Europe/Tiraspol') THEN 'Europe/Chisinau'
    WHEN value IN ('Eire') THEN 'Europe/Dublin'
    WHEN value IN ('Asia/Istanbul', 'Turkey') THEN 'Europe/Istanbul'
    WHEN value IN ('Europe/Kiev', 'Europe/Uzhgorod', 'Europe/Zaporozhye') THEN 'Europe/Kyiv'
    WHEN value IN ('Portugal') THEN 'Europe/Lisbon'
    WHEN value IN ('Europe/Belfast', 'GB') THEN 'Europe/London'
    WHEN value IN ('Poland') THEN 'Europe/Warsaw'
    WHEN value IN ('Antarctica/South_Pole', 'NZ') THEN 'Pacific/Auckland'
    WHEN value IN ('Chile/EasterIsland') THEN 'Pacific/Easter'
    WHEN value IN ('Pacific/Ponape') THEN 'Pacific/Guadalcanal'
    WHEN value IN ('Pacific/Johnston', 'US/Hawaii') THEN 'Pacific/Honolulu'
    WHEN value IN ('Pacific/Enderbury') THEN 'Pacific/Kanton'
    WHEN value IN ('Pacific/Samoa', 'US/Samoa') THEN 'Pacific/Pago_Pago'
    WHEN value IN ('Pacific/Truk', 'Pacific/Yap') THEN 'Pacific/Port_Moresby'
    WHEN value IN ('GMT', 'Universal', 'Zulu') THEN 'UTC'
END;
