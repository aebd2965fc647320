/* SPDX-License-Identifier: MIT */
/* The texts of report.css and report.js, put into the library by embed_page.cmake. */
#ifndef CB_REPORT_PAGE_TEXT_H
#define CB_REPORT_PAGE_TEXT_H

extern const char cbi_page_report_css[], cbi_page_report_js[];

#endif
