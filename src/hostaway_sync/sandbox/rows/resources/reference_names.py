"""Names of countries, languages and currencies by their codes, as Hostaway's maps have them (resource notes, 1)."""

# ruff: noqa: RUF001 - names are written in their own letters
from __future__ import annotations

from typing import Final


def _by_code(text: str) -> dict[str, str]:
    return dict(entry.split(" ", 1) for entry in text.split("|"))


COUNTRIES: Final = _by_code("""\
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AI Anguilla|AL Albania|AM Armenia|\
AO Angola|AQ Antarctica|AR Argentina|AS American Samoa|AT Austria|AU Australia|AW Aruba|AX Åland Islands|\
AZ Azerbaijan|BA Bosnia & Herzegovina|BB Barbados|BD Bangladesh|BE Belgium|BF Burkina Faso|BG Bulgaria|\
BH Bahrain|BI Burundi|BJ Benin|BL Saint Barthélemy|BM Bermuda|BN Brunei|BO Bolivia|BQ Caribbean Netherlands|\
BR Brazil|BS Bahamas|BT Bhutan|BV Bouvet Island|BW Botswana|BY Belarus|BZ Belize|CA Canada|\
CC Cocos (Keeling) Islands|CD Congo (DRC)|CF Central African Republic|CG Congo|CH Switzerland|\
CI Côte d’Ivoire|CK Cook Islands|CL Chile|CM Cameroon|CN China|CO Colombia|CR Costa Rica|CU Cuba|\
CV Cabo Verde|CW Curaçao|CX Christmas Island|CY Cyprus|CZ Czechia|DE Germany|DJ Djibouti|DK Denmark|\
DM Dominica|DO Dominican Republic|DZ Algeria|EC Ecuador|EE Estonia|EG Egypt|EH Western Sahara|ER Eritrea|\
ES Spain|ET Ethiopia|FI Finland|FJ Fiji|FK Falkland Islands|FM Micronesia|FO Faroe Islands|FR France|\
GA Gabon|GB United Kingdom|GD Grenada|GE Georgia|GF French Guiana|GG Guernsey|GH Ghana|GI Gibraltar|\
GL Greenland|GM Gambia|GN Guinea|GP Guadeloupe|GQ Equatorial Guinea|GR Greece|GS South Georgia|GT Guatemala|\
GU Guam|GW Guinea-Bissau|GY Guyana|HK Hong Kong|HM Heard & McDonald Islands|HN Honduras|HR Croatia|HT Haiti|\
HU Hungary|ID Indonesia|IE Ireland|IL Israel|IM Isle of Man|IN India|IO British Indian Ocean Territory|\
IQ Iraq|IR Iran|IS Iceland|IT Italy|JE Jersey|JM Jamaica|JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|\
KH Cambodia|KI Kiribati|KM Comoros|KN Saint Kitts and Nevis|KP North Korea|KR South Korea|KW Kuwait|\
KY Cayman Islands|KZ Kazakhstan|LA Laos|LB Lebanon|LC Saint Lucia|LI Liechtenstein|LK Sri Lanka|LR Liberia|\
LS Lesotho|LT Lithuania|LU Luxembourg|LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova|ME Montenegro|\
MF Saint Martin|MG Madagascar|MH Marshall Islands|MK North Macedonia|ML Mali|MM Myanmar|MN Mongolia|\
MO Macao|MP Northern Mariana Islands|MQ Martinique|MR Mauritania|MS Montserrat|MT Malta|MU Mauritius|\
MV Maldives|MW Malawi|MX Mexico|MY Malaysia|MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger|\
NF Norfolk Island|NG Nigeria|NI Nicaragua|NL Netherlands|NO Norway|NP Nepal|NR Nauru|NU Niue|NZ New Zealand|\
OM Oman|PA Panama|PE Peru|PF French Polynesia|PG Papua New Guinea|PH Philippines|PK Pakistan|PL Poland|\
PM Saint Pierre & Miquelon|PN Pitcairn|PR Puerto Rico|PS Palestine|PT Portugal|PW Palau|PY Paraguay|\
QA Qatar|RE Réunion|RO Romania|RS Serbia|RU Russia|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|\
SC Seychelles|SD Sudan|SE Sweden|SG Singapore|SH Saint Helena|SI Slovenia|SJ Svalbard & Jan Mayen|\
SK Slovakia|SL Sierra Leone|SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan|\
ST São Tomé & Príncipe|SV El Salvador|SX Sint Maarten|SY Syria|SZ Eswatini|TC Turks & Caicos Islands|\
TD Chad|TF French Southern Territories|TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|TL Timor-Leste|\
TM Turkmenistan|TN Tunisia|TO Tonga|TR Türkiye|TT Trinidad & Tobago|TV Tuvalu|TW Taiwan|TZ Tanzania|\
UA Ukraine|UG Uganda|UM U.S. Minor Outlying Islands|US United States|UY Uruguay|UZ Uzbekistan|\
VA Vatican City|VC Saint Vincent|VE Venezuela|VG British Virgin Islands|VI U.S. Virgin Islands|VN Vietnam|\
VU Vanuatu|WF Wallis & Futuna|WS Samoa|XK Kosovo|YE Yemen|YT Mayotte|ZA South Africa|ZM Zambia|ZW Zimbabwe""")
LANGUAGES: Final = _by_code("""\
ar العربية|bg Български|ca Català|cs Čeština|cy Cymraeg|da Dansk|de Deutsch|el Ελληνικά|en English|\
es Español|et Eesti|eu Euskara|fa فارسی|fi Suomi|fr Français|ga Gaeilge|gl Galego|he עברית|hi हिन्दी|\
hr Hrvatski|hu Magyar|hy Հայերեն|id Bahasa Indonesia|is Íslenska|it Italiano|ja 日本語|ka ქართული|ko 한국어|\
lt Lietuvių|lv Latviešu|mk Македонски|ms Bahasa Melayu|mt Malti|nb Norsk bokmål|nl Nederlands|nn Nynorsk|\
pl Polski|pt Português|pt-BR Português (Brasil)|ro Română|ru Русский|sk Slovenčina|sl Slovenščina|sq Shqip|\
sr Српски|sv Svenska|sw Kiswahili|th ไทย|tr Türkçe|uk Українська|ur اردو|vi Tiếng Việt|zh 中文|zh-TW 繁體中文""")
CURRENCIES: Final = _by_code("""\
AED UAE Dirham|ARS Argentine Peso|AUD Australian Dollar|BGN Bulgarian Lev|BRL Brazilian Real|\
CAD Canadian Dollar|CHF Swiss Franc|CLP Chilean Peso|CNY Chinese Yuan|COP Colombian Peso|\
CRC Costa Rican Colón|CZK Česká koruna|DKK Danish Krone|DOP Dominican Peso|EGP Egyptian Pound|EUR Euro|\
GBP Pound Sterling|GEL Georgian Lari|HKD Hong Kong Dollar|HUF Forint|IDR Rupiah|ILS New Shekel|\
INR Indian Rupee|ISK Króna|JPY Yen|KES Kenyan Shilling|KRW Won|MAD Dirham|MXN Mexican Peso|MYR Ringgit|\
NOK Norwegian Krone|NZD New Zealand Dollar|PEN Sol|PHP Philippine Peso|PLN Złoty|QAR Riyal|RON Leu|\
RSD Dinar|SAR Riyal|SEK Swedish Krona|SGD Singapore Dollar|THB Baht|TND Dinar|TRY Lira|\
TWD New Taiwan Dollar|UAH Hryvnia|USD US Dollar|UYU Peso|VND Đồng|ZAR Rand""")
